// The pool itself: every chunk once, whoever takes it; callers beside each other; exceptions; what is refused.
#include "kernels/thread_pool.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/errors.h"
#include "kernels/philox.h"
#include "tests/catch.h"

namespace tessera::kernels {
namespace {

// How many regions the long test opens. A thread checker slows each down, so it is left to a variable there.
int regions() {
  const char* const given = std::getenv("TESSERA_POOL_REGIONS");
  return given ? std::atoi(given) : 20'000;
}

// Regions of random sizes with sleeps and pauses at random: every chunk is done once, on a worker that the caller allowed.
std::string faults_of(ThreadPool& pool, std::uint64_t seed, int count) {
  std::vector<int> times;
  for (int region = 0; region < count; ++region) {
    const Random4 random = philox(seed, Purpose::test, 0, static_cast<std::uint64_t>(region));
    const auto& draw = random.v;
    const int threads = 1 + static_cast<int>(draw[0] % 7);
    const std::int64_t chunks = draw[1] % 97;
    times.assign(static_cast<std::size_t>(chunks), 0);
    std::atomic<bool> stray{false};
    const auto body = [&](int worker, std::int64_t chunk) {
      if (worker < 0 || worker >= threads || chunk < 0 || chunk >= chunks) stray = true;
      if ((draw[2] + static_cast<std::uint32_t>(chunk)) % 997 == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(draw[3] % 200));
      ++times[static_cast<std::size_t>(chunk)];
    };
    pool.run(threads, chunks, body, draw[3] % 2 == 0 ? ThreadPool::Order::forwards : ThreadPool::Order::backwards);
    if (stray) return "region " + std::to_string(region) + ": a worker or chunk out of range";
    for (const int n : times)
      if (n != 1) return "region " + std::to_string(region) + ": a chunk was done " + std::to_string(n) + " times";
  }
  return "";
}

}  // namespace

TEST_CASE("thread pool: each chunk once, by a worker that the caller allowed") {
  ThreadPool pool;
  REQUIRE(faults_of(pool, 1, regions()) == "");
  REQUIRE(pool.threads_started() == 6);
}

TEST_CASE("thread pool: a share is walked in the order asked for") {
  ThreadPool pool;
  const auto walked = [&](ThreadPool::Order order) {
    std::vector<std::int64_t> chunks;
    pool.run(
        1, 4, [&](int, std::int64_t chunk) { chunks.push_back(chunk); }, order);
    return chunks;
  };
  REQUIRE(walked(ThreadPool::Order::forwards) == std::vector<std::int64_t>{0, 1, 2, 3});
  REQUIRE(walked(ThreadPool::Order::backwards) == std::vector<std::int64_t>{3, 2, 1, 0});

  // On two threads each starts at the end of its own half, so that what it left in its caches is what it finds there.
  std::array<std::atomic<std::int64_t>, 2> first{-1, -1};
  std::atomic<int> begun{0};
  const auto meet = [&](int worker, std::int64_t chunk) {
    std::int64_t none = -1;
    if (!first[static_cast<std::size_t>(worker)].compare_exchange_strong(none, chunk)) return;
    for (++begun; begun < 2;) std::this_thread::yield();  // until the other has its first chunk too
  };
  pool.run(2, 8, meet, ThreadPool::Order::backwards);
  REQUIRE(first[0] == 3);
  REQUIRE(first[1] == 7);
}

TEST_CASE("thread pool: scratch of a worker is never shared") {
  ThreadPool pool;
  std::array<std::atomic<int>, 5> inside{};
  std::atomic<bool> shared{false};
  for (int region = 0; region < 200; ++region)
    pool.run(5, 40, [&](int worker, std::int64_t) {
      if (inside[static_cast<std::size_t>(worker)]++ != 0) shared = true;
      std::this_thread::yield();
      --inside[static_cast<std::size_t>(worker)];
    });
  REQUIRE_FALSE(shared);
}

TEST_CASE("thread pool: callers in threads of their own share it") {
  ThreadPool pool;
  std::array<std::string, 12> faults;  // more callers than regions may be open at once
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < faults.size(); ++i)
    callers.emplace_back([&, i] { faults[i] = faults_of(pool, 100 + i, regions() / 20); });
  for (std::thread& caller : callers) caller.join();
  for (const std::string& fault : faults) REQUIRE(fault == "");
  REQUIRE(pool.threads_started() == 6);
}

TEST_CASE("thread pool: the first exception reaches the caller, and all chunks are over by then") {
  ThreadPool pool;
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> running{0}, done{0};
    REQUIRE_THROWS_WITH(pool.run(3, 20,
                                 [&](int, std::int64_t chunk) {
                                   ++running;
                                   const bool fails = chunk == 7;
                                   --running, ++done;
                                   if (fails) throw std::runtime_error("chunk 7");
                                 }),
                        "chunk 7");
    REQUIRE(running == 0);
    REQUIRE(done == 20);
  }
  std::atomic<int> done{0};
  pool.run(3, 20, [&](int, std::int64_t) { ++done; });  // and it goes on
  REQUIRE(done == 20);
}

TEST_CASE("thread pool: nested regions are refused") {
  ThreadPool pool;
  for (const int threads : {1, 2})
    REQUIRE_THROWS_AS(pool.run(threads, 2, [&](int, std::int64_t) { pool.run(threads, 2, [](int, std::int64_t) {}); }),
                      DeviceError);
  int done = 0;
  pool.run(1, 3, [&](int, std::int64_t) { ++done; });  // and it goes on
  REQUIRE(done == 3);
}

TEST_CASE("thread pool: a forked child is refused, and its parent goes on") {
  ThreadPool pool;
  pool.run(2, 4, [](int, std::int64_t) {});
  const pid_t child = fork();
  if (child == 0) {
    int code = 1;
    try {
      pool.run(2, 4, [](int, std::int64_t) {});
    } catch (const DeviceError&) {
      code = 0;
    }
    _exit(code);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  std::atomic<int> done{0};
  pool.run(2, 4, [&](int, std::int64_t) { ++done; });
  REQUIRE(done == 4);
}

TEST_CASE("thread pool: one a process, as long as it is held") {
  const std::shared_ptr<ThreadPool> pool = ThreadPool::of_process();
  REQUIRE(ThreadPool::of_process() == pool);
}

}  // namespace tessera::kernels
