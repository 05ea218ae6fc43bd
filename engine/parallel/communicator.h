// Communicator: the ranks of a run, processes that train one network together, and what they tell each other.
//
// All that trains knows this interface alone. Behind it stands one process by itself (Alone), MPI (mpi_communicator.h), or
// threads in a test. Every rank calls the collective functions, in the same order; each returns when this rank's part is
// done and its memory may be used again. Memory is the host's. What cannot be sent is an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace tessera {

class Communicator {
 public:
  using Memory = std::span<std::byte>;
  using ConstMemory = std::span<const std::byte>;

  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // `all` holds size() times as many bytes as `mine`: those of rank 0, of rank 1, …
  virtual void all_gather(ConstMemory mine, Memory all) = 0;
  // What rank `root` has, on every rank.
  virtual void broadcast(Memory bytes, int root) = 0;
  // to[r] goes to rank r, whose to[rank()] comes into from[r]; their sizes agree, and may be 0. A rank's piece for itself is
  // left alone.
  virtual void exchange(std::span<const ConstMemory> to, std::span<const Memory> from) = 0;

  // A second way between the same ranks, for another thread of each: what goes on in one does not meet what goes on in the
  // other. There is one at a time.
  virtual std::unique_ptr<Communicator> aside() = 0;
  // From any thread: what waits here, or will, throws.
  virtual void cancel() = 0;
};

// One process by itself.
class Alone : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void all_gather(ConstMemory mine, Memory all) override;
  void broadcast(Memory, int) override {}
  void exchange(std::span<const ConstMemory>, std::span<const Memory>) override {}
  std::unique_ptr<Communicator> aside() override { return std::make_unique<Alone>(); }
  void cancel() override {}
};

// The same for values: of each rank.
template <class T>
requires std::is_trivially_copyable_v<T> std::vector<T> all_gather(Communicator& ranks, const T& mine) {
  std::vector<T> all(static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  return all;
}
std::vector<std::string> all_gather(Communicator& ranks, const std::string& mine);

// Rank 0's, on every rank.
template <class T>
requires std::is_trivially_copyable_v<T>
void broadcast(Communicator& ranks, T& value) { ranks.broadcast(std::as_writable_bytes(std::span(&value, 1)), 0); }
void broadcast(Communicator& ranks, std::string& text);
void broadcast(Communicator& ranks, std::vector<std::byte>& bytes);

// Does any rank say yes?
bool any(Communicator& ranks, bool own);

}  // namespace tessera
