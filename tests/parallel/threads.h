// Ranks that are threads of one process: what training does with a communicator is tested with them, on any machine.
#pragma once

#include <atomic>
#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>
#include <thread>

#include "engine/parallel/communicator.h"

namespace tessera::test {

// In place of CHECK, which is for one thread.
#define RANK_CHECK(condition)                                          \
  do {                                                                 \
    if (!(condition)) throw std::runtime_error("not so: " #condition); \
  } while (false)

class Threads {
 public:
  explicit Threads(int size) : size_(size), barrier_(size), posts_(static_cast<std::size_t>(size)) {}

  // body(communicator) in every rank; what one throws is thrown here.
  void run(const std::function<void(Communicator&)>& body) {
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size_));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size_; ++rank)
      threads.emplace_back([&, rank] {
        Rank communicator(*this, rank);
        try {
          body(communicator);
        } catch (...) {
          failures[static_cast<std::size_t>(rank)] = std::current_exception();
          barrier_.arrive_and_drop();
        }
      });
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& failure : failures)
      if (failure) std::rethrow_exception(failure);
  }

  std::size_t bytes_sent() const { return sent_; }  // by exchange(), of all ranks

 private:
  struct Post {
    Communicator::ConstMemory mine;
    std::span<const Communicator::ConstMemory> to;
  };

  class Rank : public Communicator {
   public:
    Rank(Threads& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return all_.size_; }
    void all_gather(ConstMemory mine, Memory all) override {
      together({.mine = mine, .to = {}}, [&](int r, const Post& post) {
        std::memcpy(all.data() + static_cast<std::size_t>(r) * mine.size(), post.mine.data(), mine.size());
      });
    }
    void broadcast(Memory bytes, int root) override {
      together({.mine = bytes, .to = {}}, [&](int r, const Post& post) {
        if (r == root && r != rank_) std::memcpy(bytes.data(), post.mine.data(), bytes.size());
      });
    }
    void exchange(std::span<const ConstMemory> to, std::span<const Memory> from) override {
      together({.mine = {}, .to = to}, [&](int r, const Post& post) {
        if (r == rank_) return;
        const ConstMemory piece = post.to[static_cast<std::size_t>(rank_)];
        const Memory room = from[static_cast<std::size_t>(r)];
        if (piece.size() != room.size()) throw std::logic_error("pieces of different sizes meet");
        if (!piece.empty()) std::memcpy(room.data(), piece.data(), piece.size());
        all_.sent_ += piece.size();
      });
    }

   private:
    template <class Take>
    void together(const Post& post, const Take& take) {
      all_.posts_[static_cast<std::size_t>(rank_)] = post;
      all_.barrier_.arrive_and_wait();
      for (int r = 0; r < size(); ++r) take(r, all_.posts_[static_cast<std::size_t>(r)]);
      all_.barrier_.arrive_and_wait();
    }
    Threads& all_;
    int rank_;
  };

  int size_;
  std::barrier<> barrier_;
  std::vector<Post> posts_;
  std::atomic<std::size_t> sent_ = 0;
};

}  // namespace tessera::test
