// Ranks that are threads of one process: what training does with a communicator is tested with them, on any machine.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
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
  explicit Threads(int size) : size_(size), ways_{Way(size), Way(size)} {}

  // body(communicator) in every rank; what one throws is thrown here.
  void run(const std::function<void(Communicator&)>& body) {
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size_));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size_; ++rank)
      threads.emplace_back([&, rank] {
        Rank communicator(*this, rank, 0);
        try {
          body(communicator);
        } catch (...) {
          failures[static_cast<std::size_t>(rank)] = std::current_exception();
          for (Way& way : ways_) way.meeting.leave();
        }
      });
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& failure : failures)
      if (failure) std::rethrow_exception(failure);
  }

  std::size_t bytes_sent() const { return sent_; }  // by exchange(), of all ranks

 private:
  // Where all meet, again and again; who leaves is no longer waited for.
  class Meeting {
   public:
    explicit Meeting(int size) : expected_(size) {}
    void meet(const std::atomic<bool>& cancelled) {
      std::unique_lock lock(mutex_);
      const int round = round_;
      ++here_;
      go_on_if_complete();
      changed_.wait(lock, [&] { return round != round_ || cancelled; });
      if (round != round_) return;
      --here_;
      throw std::runtime_error("cancelled");
    }
    void leave() {
      const std::lock_guard lock(mutex_);
      --expected_;
      go_on_if_complete();
    }
    void cancel(std::atomic<bool>& cancelled) {
      const std::lock_guard lock(mutex_);
      cancelled = true;
      changed_.notify_all();
    }

   private:
    void go_on_if_complete() {
      if (here_ < expected_) return;
      here_ = 0, ++round_;
      changed_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    int expected_, here_ = 0, round_ = 0;
  };
  struct Post {
    Communicator::ConstMemory mine;
    std::span<const Communicator::ConstMemory> to;
  };
  struct Way {
    explicit Way(int size) : meeting(size), posts(static_cast<std::size_t>(size)) {}
    Meeting meeting;
    std::vector<Post> posts;
  };

  class Rank : public Communicator {
   public:
    Rank(Threads& all, int rank, int way) : all_(all), way_(all.ways_[static_cast<std::size_t>(way)]), rank_(rank) {}
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
    std::unique_ptr<Communicator> aside() override { return std::make_unique<Rank>(all_, rank_, 1); }
    void cancel() override { way_.meeting.cancel(cancelled_); }

   private:
    template <class Take>
    void together(const Post& post, const Take& take) {
      way_.posts[static_cast<std::size_t>(rank_)] = post;
      way_.meeting.meet(cancelled_);
      for (int r = 0; r < size(); ++r) take(r, way_.posts[static_cast<std::size_t>(r)]);
      way_.meeting.meet(cancelled_);
    }
    Threads& all_;
    Way& way_;
    int rank_;
    std::atomic<bool> cancelled_ = false;
  };

  int size_;
  std::array<Way, 2> ways_;  // the way, and the one aside
  std::atomic<std::size_t> sent_ = 0;
};

}  // namespace tessera::test
