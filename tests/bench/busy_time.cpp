// Busy time of a device: the union of what ran on it.
#include "bench/busy_time.h"

#include "tests/catch.h"

using tessera::bench::busy_time;

TEST_CASE("the busy time of nothing is nothing") {
  CHECK(busy_time({}, 132).seconds == 0);
  CHECK(busy_time({}, 132).filled == 0);
}

TEST_CASE("intervals one after the other are summed, gaps are not") {
  CHECK(busy_time({{1'000, 1'400, 1}, {1'400, 1'500, 1}, {2'000, 2'250, 1}}, 1).seconds == Approx(750e-9));
}

TEST_CASE("what overlaps is counted once, in whatever order it is told") {
  CHECK(busy_time({{100, 200, 1}, {150, 300, 1}}, 1).seconds == Approx(200e-9));
  CHECK(busy_time({{150, 300, 1}, {100, 200, 1}}, 1).seconds == Approx(200e-9));
  CHECK(busy_time({{100, 500, 1}, {200, 300, 1}, {400, 450, 1}, {600, 700, 1}}, 1).seconds == Approx(500e-9));
  CHECK(busy_time({{100, 200, 1}, {100, 200, 1}}, 1).seconds == Approx(100e-9));
}

TEST_CASE("an interval without a length adds nothing") {
  CHECK(busy_time({{100, 100, 5}, {300, 200, 5}, {400, 410, 5}}, 10).seconds == Approx(10e-9));
  CHECK(busy_time({{100, 100, 10}, {400, 410, 5}}, 10).filled == Approx(0.5));
}

TEST_CASE("clocks of today's size keep their nanoseconds") {
  const std::uint64_t now = 1'900'000'000'000'000'000;
  CHECK(busy_time({{now, now + 3, 1}, {now + 5, now + 6, 1}}, 1).seconds == Approx(4e-9));
}

TEST_CASE("the filled share weighs kernels by duration, ends at 1, and leaves copies out") {
  CHECK(busy_time({{0, 100, 66}}, 132).filled == Approx(0.5));
  CHECK(busy_time({{0, 100, 1'000}}, 132).filled == Approx(1));
  CHECK(busy_time({{0, 300, 132}, {300, 400, 33}}, 132).filled == Approx((3 + 0.25) / 4));
  CHECK(busy_time({{0, 100, 66}, {100, 900, 0}}, 132).filled == Approx(0.5));
  CHECK(busy_time({{0, 100, 66}, {100, 900, 0}}, 132).seconds == Approx(900e-9));
}
