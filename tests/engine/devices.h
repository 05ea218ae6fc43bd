// Devices for the tests of this folder.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/tensor.h"

namespace tessera::test {

inline std::shared_ptr<Device> open(const std::string& name, int threads = 2) {
  return Device::open({.device = name, .options = {.threads = threads}});
}

inline std::shared_ptr<Device> reference() { return open("reference"); }

// The backends of this build that compute in float32 for real, where they have a device.
inline std::vector<std::string> fast_backends() {
  std::vector<std::string> names;
  for (const char* name : {"cpu", "emulated", "cuda"}) {
    const kernels::Backend* backend = kernels::find_backend(name);
    std::string why;
    if (backend && backend->runtime.device_count(&why) > 0) names.push_back(name);
  }
  return names;
}

// TESSERA_DEVICE: where the tests that need one device, no matter which, are to run ("cuda").
inline std::string chosen_device(const std::string& otherwise) {
  const char* const name = std::getenv("TESSERA_DEVICE");
  return name ? name : otherwise;
}

// Where training is tested: the CPU, or in a build without it the reference.
inline std::shared_ptr<Device> training_device() {
  return open(chosen_device(kernels::find_backend("cpu") ? "cpu" : "reference"));
}

// Where what only GPUs do is tested: recordings, TF32.
inline std::string test_gpu() { return chosen_device("emulated"); }

// Host values of either float type.
inline Tensor upload(const std::shared_ptr<Device>& device, const Shape& shape, const std::vector<double>& values,
                     DType dtype) {
  if (dtype == DType::f64) return Tensor::from(device, shape, std::span<const double>(values));
  const std::vector<float> narrow(values.begin(), values.end());
  return Tensor::from(device, shape, std::span<const float>(narrow));
}

inline std::vector<double> download(const Tensor& tensor) {
  if (tensor.dtype() == DType::f64) return tensor.to_host<double>();
  const std::vector<float> values = tensor.to_host<float>();
  return {values.begin(), values.end()};
}

}  // namespace tessera::test
