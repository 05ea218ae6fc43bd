// The emulator's device memory, and what its runtime counts and refuses.
#include "tests/catch.h"

#include <cmath>
#include <cstdint>

#include "tests/emulator/scan.h"

namespace tessera::kernels::emulated {
namespace {

const Runtime& runtime() { return emulated_backend().runtime; }

}  // namespace

TEST_CASE("device memory is aligned, and NaN until it is written") {
  tests::DeviceArray<float> x(100);
  CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % 256 == 0);
  for (float v : x.values()) CHECK(std::isnan(v));
  runtime().zero(nullptr, x.data(), 100 * sizeof(float));
  CHECK(x.values() == std::vector<float>(100, 0.0f));
}

TEST_CASE("copies outside device memory are refused") {
  tests::DeviceArray<float> x(100);
  std::vector<float> host(200, 1.0f);
  CHECK_THROWS_AS(runtime().copy(nullptr, x.data(), host.data(), 404, Copy::host_to_device), DeviceError);
  CHECK_THROWS_AS(runtime().copy(nullptr, x.data() + 1, host.data(), 400, Copy::host_to_device), DeviceError);
  CHECK_THROWS_AS(runtime().copy(nullptr, host.data(), x.data(), 400, Copy::host_to_device), DeviceError);
  CHECK_THROWS_AS(runtime().copy(nullptr, x.data(), host.data(), 400, Copy::device_to_device), DeviceError);
  CHECK_THROWS_AS(runtime().zero(nullptr, host.data(), 4), DeviceError);
  CHECK_NOTHROW(runtime().copy(nullptr, x.data() + 50, host.data(), 200, Copy::host_to_device));
}

TEST_CASE("memory released twice is refused") {
  void* const memory = runtime().allocate(0, 16);
  runtime().release(0, memory);
  CHECK_THROWS_AS(runtime().release(0, memory), DeviceError);
}

TEST_CASE("more memory than there is") {
  if (*TESSERA_SANITIZE != 0) return;  // sanitizers end the program over such a request
  CHECK_THROWS_AS(runtime().allocate(0, std::size_t{1} << 60), OutOfMemory);
}

TEST_CASE("allocations and synchronisations are counted") {
  const Counters before = counters();
  { tests::DeviceArray<float> x(1); }
  runtime().synchronize(nullptr);
  const Counters after = counters();
  CHECK(after.allocations == before.allocations + 1);
  CHECK(after.releases == before.releases + 1);
  CHECK(after.synchronizations == before.synchronizations + 1);
}

}  // namespace tessera::kernels::emulated
