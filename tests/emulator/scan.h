// The order scan: a kernel run under every schedule must give the same bits each time.
#pragma once

#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/backends.h"
#include "kernels/emulator/emulator.h"
#include "kernels/stream.h"

namespace tessera::tests {

// Device memory of the emulator for `count` elements of T, holding 0xFF bytes until something is written.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count)
      : count_(count), data_(static_cast<T*>(runtime().allocate(0, count * sizeof(T)))) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    runtime().copy(nullptr, data_, values.data(), count_ * sizeof(T), kernels::Copy::host_to_device);
  }
  ~DeviceArray() { runtime().release(0, data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return data_; }
  std::vector<T> values() const {
    std::vector<T> host(count_);
    runtime().copy(nullptr, host.data(), data_, count_ * sizeof(T), kernels::Copy::device_to_host);
    return host;
  }

 private:
  static const kernels::Runtime& runtime() { return kernels::emulated_backend().runtime; }
  std::size_t count_;
  T* data_;
};

inline std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>((i * 7 + 3) % 11) - 4.5f;
  return values;
}

// What the scan found: nothing, or which schedule disagrees with the first one or faults.
struct Finding {
  std::string schedule;
  std::string fault;  // empty: different bits
};
using Run = std::function<std::vector<float>(kernels::Stream&)>;

inline std::optional<Finding> scan(
    const Run& run, const std::vector<kernels::emulated::Schedule>& schedules = kernels::emulated::all_schedules()) {
  std::optional<std::vector<float>> first;
  for (const auto& schedule : schedules) {
    const kernels::emulated::ScopedSchedule scoped(schedule);
    kernels::Stream stream(kernels::emulated_backend(), 0, {});
    try {
      const std::vector<float> result = run(stream);
      if (!first) first = result;
      if (first->size() != result.size() || std::memcmp(first->data(), result.data(), result.size() * sizeof(float)) != 0)
        return Finding{describe(schedule), ""};
    } catch (const kernels::emulated::KernelFault& fault) {
      return Finding{describe(schedule), fault.what()};
    }
  }
  return std::nullopt;
}

}  // namespace tessera::tests
