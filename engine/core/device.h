// Device: one opened backend: its stream, its memory and its options. Everything that computes is handed one.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/backends.h"

namespace tessera {

struct DeviceRequest {
  std::string device = "auto";  // auto | cpu | cuda | cuda:N | emulated | reference
  kernels::Options options;     // threads = 0: all the machine's cores
  bool pool_memory = true;      // false: every tensor is an allocation of its own, so that checkers see overruns
};

class Storage;

class Device : public std::enable_shared_from_this<Device> {
 public:
  // Opens what was asked for. `auto` takes the first CUDA device, else the CPU; choice() says which and why.
  // Throws kernels::DeviceError where anything else cannot be had: there is no silent fallback.
  static std::shared_ptr<Device> open(const DeviceRequest& request);

  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const kernels::Backend& backend() const { return stream_.backend; }
  kernels::Stream& stream() { return stream_; }
  const kernels::Options& options() const { return stream_.options; }
  const std::string& choice() const { return choice_; }  // "cpu: AMD EPYC, 2 threads (no CUDA device: …)"
  std::string name() const;                              // "cpu", "cuda:0"

  // Uninitialised memory, given back to this device's pool when the last user is gone. Blocks are reused by exact size
  // class, lowest address first, so a step that allocates the same sizes in the same order gets the same addresses again.
  std::shared_ptr<Storage> allocate(std::size_t bytes);

  void upload(void* to, const void* from, std::size_t bytes);    // host → device, returns when `from` may change
  void download(void* to, const void* from, std::size_t bytes);  // device → host, returns when `to` is filled
  void synchronize();

  std::size_t bytes_in_use() const { return in_use_; }
  std::size_t bytes_reserved() const { return reserved_; }  // in use or pooled
  std::size_t fresh_allocations() const { return fresh_; }  // how often the runtime was asked: constant in a steady step

 private:
  friend class Storage;
  Device(const kernels::Backend& backend, int index, kernels::Options options, bool pool, std::string choice);
  void recycle(void* memory, std::size_t bytes);
  void release_pool();

  kernels::Stream stream_;
  bool pool_memory_;
  std::string choice_;
  std::map<std::size_t, std::vector<void*>> pool_;  // free blocks by size
  std::size_t in_use_ = 0, reserved_ = 0, fresh_ = 0;
};

// A block of device memory with an owner.
class Storage {
 public:
  Storage(std::shared_ptr<Device> device, void* data, std::size_t bytes)
      : device_(std::move(device)), data_(data), bytes_(bytes) {}
  ~Storage() { device_->recycle(data_, bytes_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device& device() const { return *device_; }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<Device> device_;
  void* data_;
  std::size_t bytes_;
};

// The programs' word for a number of bytes: "1.5 GiB".
std::string format_bytes(std::size_t bytes);

}  // namespace tessera
