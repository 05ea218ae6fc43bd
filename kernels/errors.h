// What goes wrong below the engine: a device that cannot be had, memory that is not there, a kernel a backend lacks.
#pragma once

#include <stdexcept>
#include <string>

namespace tessera::kernels {

// The device is absent, too old, lost, or a call to its driver failed.
class DeviceError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The device (or the host) does not have the memory that was asked for.
class OutOfMemory : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

// A backend's table has no kernel for this operation, or none for these element types.
class MissingKernel : public DeviceError {
 public:
  MissingKernel(const char* op, const char* backend, const std::string& detail = "")
      : DeviceError(std::string("[") + op + "] backend '" + backend + "' has no such kernel" +
                    (detail.empty() ? "" : " for " + detail)) {}
};

}  // namespace tessera::kernels
