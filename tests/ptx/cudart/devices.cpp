// Devices: each an "H100" of compute capability 9.0; and the words of errors.
#include <cstring>

#include "tests/ptx/cudart/driver.h"

using namespace tessera::ptx;

namespace {

constexpr int version = 13000;

constexpr struct {
  cudaError_t code;
  const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidPtx, "cudaErrorInvalidPtx", "a PTX JIT compilation failed"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {cudaErrorIllegalState, "cudaErrorIllegalState", "the operation cannot be performed in the present state"},
};

bool exists(int device) { return device >= 0 && device < Driver::instance().devices; }

}  // namespace

TESSERA_PTX_API cudaError_t cudaGetLastError() { return Driver::instance().last_error(true); }
TESSERA_PTX_API cudaError_t cudaPeekAtLastError() { return Driver::instance().last_error(false); }
TESSERA_PTX_API const char* cudaGetErrorName(cudaError_t code) {
  for (const auto& e : errors)
    if (e.code == code) return e.name;
  return "unrecognized error code";
}
TESSERA_PTX_API const char* cudaGetErrorString(cudaError_t code) {
  for (const auto& e : errors)
    if (e.code == code) return e.text;
  return "unrecognized error code";
}

TESSERA_PTX_API cudaError_t cudaGetDeviceCount(int* count) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, false, [&] {
    if (driver.devices <= 0) return driver.devices < 0 ? cudaErrorInsufficientDriver : cudaErrorNoDevice;
    *count = driver.devices;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaSetDevice(int device) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    if (!exists(device)) return cudaErrorInvalidDevice;
    driver.current_device() = device;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaGetDevice(int* device) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    *device = driver.current_device();
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaDriverGetVersion(int* v) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, false, [&] {
    *v = driver.devices < 0 ? 0 : version;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaRuntimeGetVersion(int* v) {
  return Driver::instance().call(__func__, false, [&] {
    *v = version;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  return Driver::instance().call(__func__, true, [&] {
    if (!exists(device)) return cudaErrorInvalidDevice;
    std::memset(p, 0, sizeof *p);
    std::strcpy(p->name, "PTX interpreter");
    p->totalGlobalMem = device_capacity;
    p->sharedMemPerBlock = 48 * 1024;
    p->sharedMemPerBlockOptin = 227 * 1024;
    p->sharedMemPerMultiprocessor = 228 * 1024;
    p->regsPerBlock = 65536;
    p->warpSize = static_cast<int>(lane_count);
    p->maxThreadsPerBlock = 1024;
    p->major = 9;
    p->multiProcessorCount = 132;
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return Driver::instance().call(__func__, true, [&] {
    if (!exists(device)) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrComputeCapabilityMajor: *value = 9; return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor: *value = 0; return cudaSuccess;
      case cudaDevAttrMultiProcessorCount: *value = 132; return cudaSuccess;
      default: return cudaErrorInvalidValue;
    }
  });
}
