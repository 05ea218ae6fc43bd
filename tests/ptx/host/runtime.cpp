// kernels/cuda/runtime.cu on the interpreter's runtime: what it does where CUDA's functions fail, and whom it blames.
#include <driver_types.h>

#include <functional>
#include <numeric>
#include <thread>

#include "engine/core/tensor.h"
#include "kernels/errors.h"
#include "tests/catch.h"
#include "tests/ptx/cudart/control.h"
#include "tests/ptx/host/kernels.h"

using namespace tessera;
using namespace tessera::kernels;

namespace {

const bool two_devices = (tessera_ptx_set_devices(2), true);  // before the first question how many there are

const Backend& gpu() { return *find_backend("cuda"); }

// A stream of a device, 1000 floats there, and what may be done with them.
struct Bench {
  explicit Bench(int device = 0) : stream(gpu(), device, {}), x(static_cast<float*>(runtime.allocate(device, 4000))) {
    set(3);
  }
  ~Bench() { runtime.release(stream.device, x); }
  void set(float value) {
    const std::vector<float> values(1000, value);
    runtime.copy(stream.native, x, values.data(), 4000, Copy::host_to_device);
    runtime.synchronize(stream.native);
  }
  std::vector<float> values() {
    std::vector<float> host(1000);
    runtime.copy(stream.native, host.data(), x, 4000, Copy::device_to_host);
    runtime.synchronize(stream.native);
    return host;
  }
  void launch() { cuda::add_one(stream, x, 1000); }
  void* record(const std::function<void()>& work) {
    runtime.begin_recording(stream.native);
    try {
      work();
    } catch (...) {
      try {
        (void)runtime.end_recording(stream.native);
      } catch (const DeviceError&) {}
      throw;
    }
    return runtime.end_recording(stream.native);
  }

  const Runtime& runtime = gpu().runtime;
  Stream stream;
  float* x;
};

}  // namespace

TEST_CASE("an error that is let be is not told by the next launch") {
  Bench bench;
  const auto unblamed = [&](const char* function, const std::function<void()>& call) {
    INFO(function);
    tessera_ptx_fail(function, 1, cudaErrorInvalidValue);
    CHECK_NOTHROW(call());
    tessera_ptx_fail("", 0, 0);
    CHECK_NOTHROW(bench.launch());
    CHECK_NOTHROW(bench.runtime.synchronize(bench.stream.native));
  };
  unblamed("cudaFree", [&] { bench.runtime.release(0, bench.runtime.allocate(0, 100)); });
  unblamed("cudaSetDevice", [&] {
    void* const memory = nullptr;
    bench.runtime.release(0, memory);
  });
  unblamed("cudaStreamDestroy", [&] { bench.runtime.destroy_stream(0, bench.runtime.create_stream(0)); });
  void* const recording = bench.record([&] { bench.launch(); });
  unblamed("cudaGraphExecDestroy", [&] { bench.runtime.destroy_recording(recording); });
  unblamed("cudaGraphDestroy", [&] { bench.runtime.destroy_recording(bench.record([&] { bench.launch(); })); });
  unblamed("cudaMemGetInfo", [&] { CHECK_THROWS_AS(bench.runtime.allocate(0, std::size_t{1} << 58), OutOfMemory); });
}

TEST_CASE("a launch that is refused is named, and the next one runs") {
  Bench bench;
  CHECK_THROWS_WITH(cuda::add_one_refused(bench.stream, bench.x),
                    Catch::Contains("[add_one_refused] kernel launched at") && Catch::Contains("blocks of (512,1,1)"));
  bench.launch();
  CHECK(bench.values()[999] == 4);
}

TEST_CASE("memory that is short is OutOfMemory, whatever asked for it") {
  Bench bench;
  const auto short_of_memory = [&](const char* function, const std::function<void()>& call) {
    INFO(function);
    tessera_ptx_fail(function, 1, cudaErrorMemoryAllocation);
    CHECK_THROWS_AS(call(), OutOfMemory);
    tessera_ptx_fail("", 0, 0);
    bench.launch();
  };
  short_of_memory("cudaMalloc", [&] { bench.runtime.allocate(0, 100); });
  short_of_memory("cudaStreamCreateWithFlags", [&] { bench.runtime.create_stream(0); });
  short_of_memory("cudaGraphInstantiate", [&] { bench.record([&] { bench.launch(); }); });
  short_of_memory("cudaGraphLaunch", [&] {
    void* const recording = bench.record([&] { bench.launch(); });
    bench.runtime.replay(bench.stream.native, recording);
  });
}

TEST_CASE("static and dynamic shared memory count together") {
  Bench bench;
  const std::vector<float> counting = [] {
    std::vector<float> v(128);
    std::iota(v.begin(), v.end(), 0.0f);
    return v;
  }();
  for (const std::size_t dynamic : {512, 46 * 1024, 100 * 1024, 1024}) {
    INFO(dynamic << " bytes");
    bench.runtime.copy(bench.stream.native, bench.x, counting.data(), 512, Copy::host_to_device);
    CHECK_NOTHROW(cuda::reverse_in_shared(bench.stream, bench.x, dynamic));
    CHECK(bench.values()[0] == 127);
  }
  CHECK_THROWS_WITH(cuda::reverse_in_shared(bench.stream, bench.x, 225 * 1024),
                    Catch::Contains("230400 bytes of shared memory"));
}

TEST_CASE("host memory is not copied inside a recording") {
  Bench bench;
  std::vector<float> host(1000, 5);
  CHECK_THROWS_WITH(
      bench.record([&] { bench.runtime.copy(bench.stream.native, bench.x, host.data(), 4000, Copy::host_to_device); }),
      Catch::Contains("from or to the host while the stream is recording"));
  CHECK_THROWS_AS(
      bench.record([&] { bench.runtime.copy(bench.stream.native, host.data(), bench.x, 4000, Copy::device_to_host); }),
      DeviceError);
  CHECK_THROWS_AS(bench.record([&] { bench.runtime.synchronize(bench.stream.native); }), DeviceError);
  CHECK_THROWS_AS(bench.record([&] { bench.runtime.allocate(0, 100); }), DeviceError);
  bench.set(1);
  void* const recording = bench.record([&] {
    bench.runtime.copy(bench.stream.native, bench.x + 500, bench.x, 2000, Copy::device_to_device);
    bench.launch();
    bench.runtime.zero(bench.stream.native, bench.x, 400);
  });
  CHECK(bench.values()[0] == 1);  // nothing has been done yet
  for (int i = 0; i < 2; ++i) bench.runtime.replay(bench.stream.native, recording);
  const std::vector<float> values = bench.values();
  bench.runtime.destroy_recording(recording);
  CHECK(values[99] == 0);
  CHECK(values[499] == 3);
  CHECK(values[999] == 3);
}

TEST_CASE("a stream's work goes to its device from any thread") {
  Bench second(1);
  void* const recording = second.record([&] { second.launch(); });
  std::thread([&] {  // where device 0 is current
    CHECK_NOTHROW(second.runtime.zero(second.stream.native, second.x, 4000));
    CHECK_NOTHROW(second.runtime.replay(second.stream.native, recording));
    CHECK_NOTHROW(second.launch());
    CHECK(second.values()[7] == 2);
  })
      .join();
  second.runtime.destroy_recording(recording);
}

TEST_CASE("a kernel at fault is told once, and its tensors are freed without a word") {
  for (const bool pooled : {true, false}) {
    INFO((pooled ? "pooled memory" : "every tensor an allocation of its own"));
    {
      const std::shared_ptr<Device> device = Device::open({.device = "cuda", .pool_memory = pooled});
      Tensor x = Tensor::zeros(device, {64}, DType::f32), y = Tensor::zeros(device, {64}, DType::f32);
      cuda::add_one(device->stream(), static_cast<float*>(x.data()), 10'000'000);
      CHECK_THROWS_WITH(y.to_host<float>(),
                        Catch::Contains("illegal memory access") && Catch::Contains("a kernel before it"));
      CHECK_NOTHROW(x = Tensor());
      CHECK_THROWS_AS(Tensor::zeros(device, {64}, DType::f32), DeviceError);  // the device is lost
    }
    tessera_ptx_recover();
  }
}

// cuDNN and cuBLAS may be here, but there is no driver for them under this runtime.
TEST_CASE("where the libraries' handles cannot be had, auto takes our kernels and says why") {
  const std::shared_ptr<Device> device = Device::open({.device = "cuda", .kernels = "auto"});
  CHECK(std::string(device->backend().name) == "cuda");
  CHECK_THAT(device->choice(), Catch::Contains("own kernels: "));
  CHECK_THROWS_WITH(Device::open({.device = "cuda", .kernels = "vendor"}), Catch::Contains("--kernels vendor: "));
}
