#include "tests/vendor/described_gpu.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <iostream>
#include <stdexcept>
#include <string>

#include "kernels/errors.h"

namespace tessera::test {
namespace {

using namespace kernels::vendor;

// As cuDNN writes it for the attribute CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION.
constexpr std::string_view h200 =
    R"({"deviceName":"NVIDIA H200","cudaDeviceId":0,"deviceVer":900,"driverVer":13000,"multiProcessorCount":132,)"
    R"("totalGlobalMem":150000000000,"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],)"
    R"("regsPerBlock":65536,"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":232448,)"
    R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,)"
    R"("maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"smClockRateKHz":1980000,)"
    R"("memClockRateKHz":3201000,"l2CacheSize":62914560})";

bool is_hopper() {
  int major = 0;
  return cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess && major == 9;
}

}  // namespace

DescribedGpu::DescribedGpu()
    : device_(cudnn(), CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR), target_{.cudnn = cudnn(), .device = &device_} {
  device_.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span<const char>(h200)).finalize();
  // The linker hands out a loaded library to all who ask for its name afterwards: so cuDNN finds this one, and neither the
  // environment nor a machine with a driver is touched.
  if (void* real = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {
    compiles_ = is_hopper();
    (void)real;
  } else {
    void* fake = dlopen(TESSERA_FAKE_DRIVER, RTLD_NOW | RTLD_LOCAL);
    if (!fake) throw std::runtime_error(std::string("the stand-in for a driver cannot be opened: ") + dlerror());
    count_ = reinterpret_cast<int (*)()>(dlsym(fake, "tessera_compilations"));
  }
  if (!compiles_) std::cout << "plans that are compiled at run time are left out: the GPU here is no Hopper\n";
}

const DescribedGpu* DescribedGpu::get() {
  static const DescribedGpu* const only = []() -> const DescribedGpu* {
    try {
      if (cudnn().cudnnGetVersion() >= 90800) return new DescribedGpu;
      std::cout << "skipped: cuDNN " << cudnn().version() << " cannot be told of a GPU\n";
    } catch (const kernels::DeviceError& error) {
      std::cout << "skipped: " << error.what() << "\n";
    }
    return nullptr;
  }();
  return only;
}

}  // namespace tessera::test
