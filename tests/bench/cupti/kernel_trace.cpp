// Reading CUPTI's records, from a library that is a fake (fake_cupti.cpp).
#include "bench/kernel_trace.h"

#include <cstdlib>
#include <stdexcept>

#include "tests/catch.h"

using namespace tessera::bench;
using Catch::Contains;

namespace {

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

}  // namespace

TEST_CASE("kernels, copies and fills are read from CUPTI's records") {
  const Environment library("TESSERA_CUPTI", FAKE_CUPTI);
  KernelTrace trace;
  const std::vector<Interval> taken = trace.take();
  REQUIRE(taken.size() == 4);
  CHECK(taken[0].begin == 1'000);
  CHECK(taken[0].end == 1'500);
  CHECK(taken[0].blocks == 66);
  CHECK(taken[1].blocks == 132);
  CHECK(taken[2].begin == 1'400);
  CHECK(taken[2].end == 1'700);
  CHECK(taken[2].blocks == 0);
  CHECK(taken[3].end - taken[3].begin == 10);
  const BusyTime time = busy_time(taken, 132);
  CHECK(time.seconds == Approx(810e-9));
  CHECK(time.filled == Approx((500 * 0.5 + 100) / 600));
  CHECK(trace.take().size() == 4);  // those since the last call, not all
}

TEST_CASE("a trace that lost records says how many") {
  const Environment library("TESSERA_CUPTI", FAKE_CUPTI), loses("FAKE_CUPTI_LOSES", "1");
  KernelTrace trace;
  CHECK_THROWS_WITH(trace.take(), Contains("3 records of 7 were lost"));
}

TEST_CASE("a CUPTI that refuses or is not there is an error that says so") {
  const Environment library("TESSERA_CUPTI", FAKE_CUPTI);
  {
    const Environment refuses("FAKE_CUPTI_REFUSES", "1");
    CHECK_THROWS_WITH(KernelTrace(), Contains("refuses: CUPTI_ERROR_INSUFFICIENT_PRIVILEGES"));
  }
  const Environment missing("TESSERA_CUPTI", "/no/such/libcupti.so");
  CHECK_THROWS_WITH(KernelTrace(), Contains("/no/such/libcupti.so"));
}
