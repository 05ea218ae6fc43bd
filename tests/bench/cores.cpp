// Steps on cores that this machine has not (bench/cores.h).
#include "bench/cores.h"

#include "kernels/thread_pool.h"
#include "tests/catch.h"

using namespace tessera;
using bench::seconds_on;

TEST_CASE("cores: threads do their own share, then help with the others'") {
  CHECK(seconds_on({}, 4) == 0);
  CHECK(seconds_on({1, 1, 1}, 1) == 3);
  CHECK(seconds_on({1, 1, 1}, 2) == 2);
  CHECK(seconds_on({1, 1, 1}, 8) == 1);
  CHECK(seconds_on(std::vector<double>(17, 1.0), 16) == 2);
  CHECK(seconds_on({1, 1, 1, 9}, 2) == 10);       // the share of the second is [2, 4): the long one comes last
  CHECK(seconds_on({8, 1, 1, 1, 1, 1}, 2) == 8);  // the second does its own three, and then what is left of the first's
}

TEST_CASE("cores: an observed pool runs every chunk on its caller and tells of it") {
  kernels::ThreadPool pool;
  std::vector<std::size_t> regions;
  pool.observe([&](std::span<const double> chunks, double region) {
    double sum = 0;
    for (const double seconds : chunks) sum += seconds;
    CHECK(sum <= region);
    regions.push_back(chunks.size());
  });
  std::vector<std::int64_t> order;
  pool.run(4, 5, [&](int worker, std::int64_t chunk) { order.push_back(worker == 0 ? chunk : -1); });
  pool.run(4, 2, [&](int, std::int64_t) {});
  CHECK(order == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(regions == std::vector<std::size_t>{5, 2});
  CHECK(pool.threads_started() == 0);
  pool.observe({});
  pool.run(2, 2, [&](int, std::int64_t) {});
  CHECK(regions.size() == 2);
}

TEST_CASE("cores: a step is its serial stretches and its regions") {
  const bench::CoresReport report =
      bench::simulate_cores(require_network("lenet5_relu"), {.batch = 64}, {.device = "cpu"}, 4);
  double one = 0, many = 0;
  for (const bench::CoresRow& row : report.rows) {
    INFO(row.slot);
    CHECK(row.serial <= row.many);
    CHECK(row.many <= row.one * 1.0001);
    one += row.one, many += row.many;
  }
  CHECK(one == Approx(report.one));
  CHECK(many == Approx(report.many));
  CHECK(report.many < report.one);
  CHECK(report.longest_serial <= report.serial);
  CHECK(report.longest_serial > 0);
}
