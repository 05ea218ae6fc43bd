// ThreadPool: the CPU threads that all streams of a process share.
//
// A region is a number of chunks; the caller takes part in it and returns when all are done. Each thread has a share of them
// to begin with, the same in every region, so that it finds in its caches what it left there; who is done helps with what
// is left of the other shares. Chunks are taken one at a time while they run, so a core that another process disturbs does
// fewer of them. What the chunks are is for the caller to say, from the shape of its work alone: then results depend
// neither on who takes them nor on how many threads there are.
//
// Who waits, waits for chunks that others hold and for nothing else; it spins for `spin_time`, then sleeps. Several callers
// (devices in threads of their own) may have regions open at once; the pool's threads help wherever there is work, so there
// are never more of them than the largest number that one caller asked for. Threads start with the first region and end
// with the pool.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace tessera::kernels {

class ThreadPool {
 public:
  static constexpr std::int64_t most_chunks = (1 << 24) - 1;
  static constexpr int most_threads = (1 << 12) - 1;
  static constexpr std::chrono::microseconds spin_time{20};

  ThreadPool();
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // This process's pool, as long as anybody holds it.
  static std::shared_ptr<ThreadPool> of_process();

  // In which order a thread takes the chunks of its share. A pass that goes over the data of the pass before it goes
  // backwards: what a thread touched last is still in its caches, and stays on its core.
  enum class Order : std::uint8_t { forwards, backwards };

  // body(worker, chunk) once for each chunk in [0, chunks), on the caller (worker 0) and at most threads − 1 others
  // (workers 1 … threads − 1, each on one thread at a time). Rethrows the first exception of a body when all are done.
  // DeviceError: called from within a body, after a fork, or where threads cannot be started.
  template <class Body>
  void run(int threads, std::int64_t chunks, const Body& body, Order order = Order::forwards) {
    const auto call = [](const void* b, int worker, std::int64_t chunk) { (*static_cast<const Body*>(b))(worker, chunk); };
    run(threads, chunks, Work{order, &body, call});
  }

  // For measuring (bench/cores.h): every chunk runs on its caller, and each region, when it is over, tells the seconds of its
  // chunks, in the order in which they ran, and of itself. An empty one: as usual. To be set while nobody has a region open.
  using Observer = std::function<void(std::span<const double> chunks, double region)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

  int threads_started() const { return started_.load(std::memory_order_relaxed); }

 private:
  struct Work {
    Order order = Order::forwards;
    const void* body = nullptr;
    void (*call)(const void* body, int worker, std::int64_t chunk) = nullptr;
  };
  // A run of chunks [begin, end) that is some worker's to begin with.
  struct alignas(64) Share {
    // Region's number (28 bits), its threads (12), chunks not yet taken (24): in one word, so that taking one checks all.
    std::atomic<std::uint64_t> ticket{0};
    std::int64_t begin = 0, end = 0;
  };
  static constexpr int most_shares = 64;
  // One open region. Its memory outlives it, so that a thread that comes late finds another number and takes nothing.
  struct alignas(64) Region {
    std::atomic<bool> in_use{false};
    std::atomic<int> shares{0};
    std::atomic<std::uint32_t> done{0};
    std::uint64_t number = 0;
    std::uint32_t chunks = 0;
    Work work;
    std::atomic<bool> failed{false};
    std::exception_ptr error;
    std::array<Share, most_shares> share;
  };

  void run(int threads, std::int64_t chunks, const Work& work);
  void start(int threads);
  void serve(int worker);
  static void issue(Region& region, int threads, std::int64_t chunks, const Work& work);
  static bool help(Region& region, int worker);
  static void perform(Region& region, int worker, std::int64_t chunk);
  static void await(Region& region, std::uint32_t chunks);
  Region* open_region();
  void run_observed(std::int64_t chunks, const Work& work) const;

  std::array<Region, 8> regions_;
  std::atomic<std::uint32_t> calls_{0};  // regions opened so far: what sleeping threads wait on
  std::atomic<bool> ending_{false};
  std::atomic<int> started_{0};
  std::mutex starting_;
  std::vector<std::thread> threads_;
  Observer observer_;
  const std::uint32_t forks_;  // of this process when the pool was made: threads do not survive a fork
};

}  // namespace tessera::kernels
