#include "kernels/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <system_error>

#include "kernels/errors.h"

namespace tessera::kernels {
namespace {

constexpr int chunk_bits = 24, thread_bits = 12;

constexpr std::uint64_t ticket_of(std::uint64_t number, int threads, std::int64_t chunks) {
  return number << (thread_bits + chunk_bits) | static_cast<std::uint64_t>(threads) << chunk_bits |
         static_cast<std::uint64_t>(chunks);
}
constexpr std::uint32_t chunks_left(std::uint64_t ticket) { return ticket & ThreadPool::most_chunks; }
constexpr int threads_of(std::uint64_t ticket) { return static_cast<int>(ticket >> chunk_bits) & ThreadPool::most_threads; }

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks for a while whether `holds` comes true by itself: a sleep costs several microseconds on both sides.
template <class Condition>
bool spin_until(const Condition& holds) {
  const auto end = std::chrono::steady_clock::now() + ThreadPool::spin_time;
  do {
    for (int i = 0; i < 16; ++i) {
      if (holds()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return holds();
}

// Is this thread within a body? Then it must not open a region: the threads it would wait for may be waiting for it.
thread_local bool within_body = false;
struct WithinBody {
  WithinBody() { within_body = true; }
  ~WithinBody() { within_body = false; }
};

// How many forks lie between the first process and this one: a child's count is its parent's plus one. (To ask for the
// process's number in every region would be a system call in every region.)
std::uint32_t forks_of_process() {
  static std::atomic<std::uint32_t> forks{0};
  static const int registered = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  if (registered != 0) throw DeviceError("cannot watch for forks: out of memory");
  return forks.load(std::memory_order_relaxed);
}

}  // namespace

ThreadPool::ThreadPool() : forks_(forks_of_process()) {}

ThreadPool::~ThreadPool() {
  if (forks_of_process() != forks_) {  // a forked child: its threads never were
    for (std::thread& thread : threads_) thread.detach();
    return;
  }
  ending_ = true;
  ++calls_;
  calls_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<ThreadPool> ThreadPool::of_process() {
  static std::mutex mutex;
  static std::weak_ptr<ThreadPool> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<ThreadPool> pool = current.lock();
  if (!pool) current = pool = std::make_shared<ThreadPool>();
  return pool;
}

void ThreadPool::start(int threads) {
  const std::lock_guard lock(starting_);
  threads_.reserve(static_cast<std::size_t>(threads - 1));
  try {
    while (static_cast<int>(threads_.size()) < threads - 1)
      threads_.emplace_back([this, worker = static_cast<int>(threads_.size()) + 1] { serve(worker); });
  } catch (const std::system_error& error) {
    throw DeviceError("cannot start " + std::to_string(threads) + " threads (" + error.code().message() +
                      "): use a smaller --threads");
  }
  started_ = static_cast<int>(threads_.size());
}

ThreadPool::Region* ThreadPool::open_region() {
  for (Region& region : regions_)
    if (!region.in_use.load(std::memory_order_relaxed) && !region.in_use.exchange(true, std::memory_order_acquire))
      return &region;
  return nullptr;
}

void ThreadPool::run(int threads, std::int64_t chunks, const Work& work) {
  if (within_body) throw DeviceError("[threads] a parallel region was opened within another");
  if (chunks > most_chunks) throw DeviceError("[threads] " + std::to_string(chunks) + " chunks are too many");
  if (observer_) return run_observed(chunks, work);
  threads = static_cast<int>(std::min<std::int64_t>({threads, chunks, most_threads}));
  if (threads > 1 && forks_of_process() != forks_)
    throw DeviceError("[threads] this process was forked from one whose threads were running: open the device after fork");
  if (threads > 1 && started_.load(std::memory_order_acquire) < threads - 1) start(threads);
  Region* const region = threads > 1 ? open_region() : nullptr;
  if (!region) {  // alone; or so many callers at once that all threads have enough to do
    const WithinBody within;
    for (std::int64_t i = 0; i < chunks; ++i) work.call(work.body, 0, work.order == Order::forwards ? i : chunks - 1 - i);
    return;
  }
  issue(*region, threads, chunks, work);
  ++calls_;
  calls_.notify_all();
  help(*region, 0);
  await(*region, static_cast<std::uint32_t>(chunks));
  std::exception_ptr error;
  if (region->failed.exchange(false, std::memory_order_acquire)) error = std::move(region->error);
  region->error = nullptr;
  region->in_use.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

void ThreadPool::run_observed(std::int64_t chunks, const Work& work) const {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
  const auto began = Clock::now();
  std::vector<double> seconds;
  {
    const WithinBody within;
    for (std::int64_t i = 0; i < chunks; ++i) {
      const auto start = Clock::now();
      work.call(work.body, 0, work.order == Order::forwards ? i : chunks - 1 - i);
      seconds.push_back(since(start));
    }
  }
  observer_(seconds, since(began));
}

void ThreadPool::issue(Region& region, int threads, std::int64_t chunks, const Work& work) {
  region.work = work;
  region.chunks = static_cast<std::uint32_t>(chunks);
  region.done.store(0, std::memory_order_relaxed);
  ++region.number;
  const int shares = std::min(threads, most_shares);
  region.shares.store(shares, std::memory_order_relaxed);
  for (int i = 0; i < shares; ++i) {
    Share& share = region.share[static_cast<std::size_t>(i)];
    share.begin = chunks * i / shares;
    share.end = chunks * (i + 1) / shares;
    share.ticket.store(ticket_of(region.number, threads, share.end - share.begin), std::memory_order_release);
  }
}

// Takes chunks as long as there are any, those of its own share first; false if there was none. What it did it reports
// once, at the end: the region stays open until then, and the threads do not pull one counter back and forth meanwhile.
bool ThreadPool::help(Region& region, int worker) {
  std::uint32_t performed = 0;
  const WithinBody within;
  const int shares = region.shares.load(std::memory_order_relaxed);  // of a region that is over: then no ticket is good
  for (int i = 0; i < shares; ++i) {
    Share& share = region.share[static_cast<std::size_t>((worker + i) % shares)];
    std::uint64_t ticket = share.ticket.load(std::memory_order_acquire);
    while (chunks_left(ticket) > 0 && worker < threads_of(ticket)) {
      if (!share.ticket.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      const std::int64_t left = chunks_left(ticket);
      perform(region, worker, region.work.order == Order::forwards ? share.end - left : share.begin + left - 1);
      ++performed;
      ticket = share.ticket.load(std::memory_order_acquire);
    }
  }
  if (performed == 0) return false;
  const std::uint32_t chunks = region.chunks;  // another region's as soon as the last chunk of this one is reported
  if (region.done.fetch_add(performed, std::memory_order_acq_rel) + performed == chunks) region.done.notify_one();
  return true;
}

void ThreadPool::perform(Region& region, int worker, std::int64_t chunk) {
  try {
    region.work.call(region.work.body, worker, chunk);
  } catch (...) {
    // The first to fail leaves its exception; the caller reads it after all chunks are done.
    static_assert(std::atomic<bool>::is_always_lock_free);
    if (!region.failed.exchange(true, std::memory_order_acq_rel)) region.error = std::current_exception();
  }
}

void ThreadPool::await(Region& region, std::uint32_t chunks) {
  const auto all_done = [&] { return region.done.load(std::memory_order_acquire) == chunks; };
  if (spin_until(all_done)) return;
  for (std::uint32_t done; (done = region.done.load(std::memory_order_acquire)) != chunks;) region.done.wait(done);
}

void ThreadPool::serve(int worker) {
  for (;;) {
    const std::uint32_t seen = calls_.load(std::memory_order_acquire);
    if (ending_) return;
    bool helped = false;
    for (Region& region : regions_) helped |= help(region, worker);
    if (helped) continue;
    if (!spin_until([&] { return calls_.load(std::memory_order_acquire) != seen; })) calls_.wait(seen);
  }
}

}  // namespace tessera::kernels
