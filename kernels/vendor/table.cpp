// The `vendor` backend: the `cuda` table with the slots that cuDNN and cuBLAS serve replaced, on the same devices, where
// both libraries are to be had.
#include "kernels/backends.h"
#include "kernels/vendor/libraries.h"
#include "kernels/vendor/slots.h"

namespace tessera::kernels {
namespace {

// A library that opens may still not work here, as with too old a driver: handles are made once, to see. Throws DeviceError.
bool try_handles() {
  cudnnHandle_t cudnn = nullptr;
  vendor::cudnn().check(vendor::cudnn().cudnnCreate(&cudnn), "creating a handle");
  (void)vendor::cudnn().cudnnDestroy(cudnn);
  cublasHandle_t cublas = nullptr;
  vendor::cublas().check(vendor::cublas().cublasCreate_v2(&cublas), "creating a handle");
  (void)vendor::cublas().cublasDestroy_v2(cublas);
  return true;
}

int device_count(std::string* why) {
  const int count = cuda_backend().runtime.device_count(why);
  if (count == 0) return 0;
  try {
    static const bool works = try_handles();
    (void)works;
  } catch (const DeviceError& error) {
    if (why) *why = error.what();
    return 0;
  }
  return count;
}

DeviceInfo device_info(int device) {
  DeviceInfo info = cuda_backend().runtime.device_info(device);
  info.detail += ", cuDNN " + vendor::cudnn().version() + ", cuBLAS " + vendor::cublas().version();
  return info;
}

const Runtime& vendor_runtime() {
  static const Runtime runtime = [] {
    Runtime changed = cuda_backend().runtime;
    changed.device_count = device_count;
    changed.device_info = device_info;
    return changed;
  }();
  return runtime;
}

}  // namespace

const Backend& vendor_backend() {
  static const Backend table = [] {
    Backend changed = overlay(cuda_backend(), "vendor", vendor_runtime());
    changed.matmul = vendor::matmul;
    changed.linear_backward = none;
    changed.conv2d_forward = vendor::conv2d_forward;
    changed.conv2d_forward_statistics = none;
    changed.conv2d_backward_data = vendor::conv2d_backward_data;
    changed.conv2d_backward_weights = vendor::conv2d_backward_weights;
    changed.conv2d_backward = none;
    changed.max_pool_forward = vendor::max_pool_forward;
    changed.max_pool_backward = vendor::max_pool_backward;
    changed.batch_norm_training = vendor::batch_norm_training;
    changed.batch_norm_backward = vendor::batch_norm_backward;
    return changed;
  }();
  return table;
}

}  // namespace tessera::kernels
