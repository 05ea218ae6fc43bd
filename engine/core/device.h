// Device: one opened backend: its stream, its memory and its options. Everything that computes is handed one.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/core/fields.h"
#include "kernels/backends.h"

namespace tessera {

using kernels::Backend;

// In which numbers a network computes. Parameters, statistics, losses and sums are float32 in all of them.
enum class Precision : std::uint8_t {
  fp32,
  tf32,  // products of float32 operands rounded to TF32
  bf16,  // activations, their gradients and the weights that meet them are bf16
};
inline std::span<const Word<Precision>> words(Precision) {
  static constexpr Word<Precision> table[] = {
      {Precision::fp32, "fp32"}, {Precision::tf32, "tf32"}, {Precision::bf16, "bf16"}};
  return table;
}

struct DeviceRequest {
  std::string device = "auto";    // auto | cpu | cuda | cuda:N | emulated | reference
  kernels::Options options = {};  // threads = 0: as many as the process may use; instruction set best: TESSERA_ISA's
  Precision precision = Precision::fp32;
  std::string kernels = "own";  // with cuda: own | vendor (cuDNN, cuBLAS) | auto (what is faster, where these are there)
  bool pool_memory = true;      // false: every tensor is an allocation of its own, so that checkers see overruns
};

class Storage;
class Device;

// Free blocks of a device, by size. Blocks are reused by exact size class, lowest address first, so that work which
// allocates the same sizes in the same order gets the same addresses again.
class MemoryPool {
 public:
  // reuse = false: no block serves twice while the pool lives, so that an address stands for one tensor.
  explicit MemoryPool(Device& device, bool reuse = true) : device_(device), reuse_(reuse) {}
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  void* take(std::size_t bytes);  // null where it has none of this size
  // Room to keep one more block of this size. Taken before the block is, since giving back happens in destructors, where
  // nothing may fail for want of memory.
  void expect(std::size_t bytes);
  void put(void* memory, std::size_t bytes) noexcept;
  void release();  // gives all free blocks back to the runtime

 private:
  struct Blocks {
    std::vector<void*> free;
    std::size_t owned = 0;  // free or in use; free's capacity is at least this
  };
  Device& device_;
  const bool reuse_;
  std::map<std::size_t, Blocks> blocks_;
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  // Opens what was asked for. `auto` takes the first CUDA device, else the CPU; choice() says which and why.
  // Throws kernels::DeviceError where anything else cannot be had: there is no silent fallback.
  static std::shared_ptr<Device> open(const DeviceRequest& request = {});
  // The same on a table of the caller's, device 0: what a program asks of its kernels can be watched so.
  static std::shared_ptr<Device> open(const DeviceRequest& request, const Backend& backend);

  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Backend& backend() const { return stream_.backend; }
  kernels::Stream& stream() { return stream_; }
  // Issues a kernel: device.run(&Backend::convert, x, {y, false}).
  template <kernels::SlotName name, class... Operands>
  void run(kernels::Slot<name, void(kernels::Stream&, Operands...)> Backend::*slot,
           std::type_identity_t<Operands>... operands) {
    (table_->*slot)(stream_, operands...);
  }
  const kernels::Options& options() const { return stream_.options; }
  Precision precision() const { return precision_; }
  kernels::DType activation_type() const {
    return precision_ == Precision::bf16 ? kernels::DType::bf16 : kernels::DType::f32;
  }
  const std::string& choice() const { return choice_; }  // "cpu: AMD EPYC, 2 threads (no CUDA device: …)"
  std::string name() const;                              // "cpu", "cuda:0"

  // Uninitialised memory, given back to the pool that is in force now when the last user is gone.
  std::shared_ptr<Storage> allocate(std::size_t bytes);

  // A pool of its own for work whose memory nobody else may use even while it is free: a recorded step. In force until the
  // end of its scope; its blocks are given back to the runtime when the pool itself ends, not before.
  class PoolScope {
   public:
    PoolScope(Device& device, std::shared_ptr<MemoryPool> pool) : device_(device), before_(std::move(device.pool_)) {
      device_.pool_ = std::move(pool);
    }
    ~PoolScope() { device_.pool_ = std::move(before_); }
    PoolScope(const PoolScope&) = delete;
    PoolScope& operator=(const PoolScope&) = delete;

   private:
    Device& device_;
    std::shared_ptr<MemoryPool> before_;
  };
  std::shared_ptr<MemoryPool> new_pool(bool reuse = true) { return std::make_shared<MemoryPool>(*this, reuse); }

  // A table in front of backend()'s until the end of its scope, which may note what is run and calls the slots behind it. What
  // it keeps meanwhile is the stream's `library`.
  class TableScope {
   public:
    TableScope(Device& device, const Backend& table, std::shared_ptr<void> library)
        : device_(device),
          table_(std::exchange(device.table_, &table)),
          library_(std::exchange(device.stream_.library, std::move(library))) {}
    ~TableScope() { device_.table_ = table_, device_.stream_.library = std::move(library_); }
    TableScope(const TableScope&) = delete;
    TableScope& operator=(const TableScope&) = delete;

   private:
    Device& device_;
    const Backend* table_;
    std::shared_ptr<void> library_;
  };

  void zero(void* memory, std::size_t bytes);
  void upload(void* to, const void* from, std::size_t bytes);    // host → device, returns when `from` may change
  void download(void* to, const void* from, std::size_t bytes);  // device → host, returns when `to` is filled
  void synchronize();

  std::size_t bytes_in_use() const { return in_use_; }
  std::size_t bytes_reserved() const { return reserved_; }  // in use or pooled
  std::size_t copies() const { return copies_; }            // how often anything but a slot wrote or read device memory
  std::size_t fresh_allocations() const { return fresh_; }  // how often the runtime was asked: constant in a steady step

 private:
  friend class Storage;
  friend class MemoryPool;
  static std::shared_ptr<Device> open(const DeviceRequest& request, const Backend& backend, int index,
                                      const std::string& reason);
  Device(const Backend& backend, int index, const kernels::Options& options, const DeviceRequest& request,
         std::string choice);
  void recycle(MemoryPool& pool, void* memory, std::size_t bytes) noexcept;

  kernels::Stream stream_;
  const Backend* table_;  // what run() calls: the stream's, or that of a TableScope
  Precision precision_;
  bool pool_memory_;
  std::string choice_;
  std::shared_ptr<MemoryPool> common_;  // everybody's: its free blocks may be given back at any time
  std::shared_ptr<MemoryPool> pool_;    // in force: the common one, or that of a PoolScope, which keeps what it has
  std::size_t in_use_ = 0, reserved_ = 0, fresh_ = 0, copies_ = 0;
};

// A block of device memory with an owner.
class Storage {
 public:
  Storage(std::shared_ptr<Device> device, std::shared_ptr<MemoryPool> pool, void* data, std::size_t bytes)
      : device_(std::move(device)), pool_(std::move(pool)), data_(data), bytes_(bytes) {}
  ~Storage() { device_->recycle(*pool_, data_, bytes_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Device& device() const { return *device_; }
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<Device> device_;
  std::shared_ptr<MemoryPool> pool_;
  void* data_;
  std::size_t bytes_;
};

// The programs' word for a number of bytes: "1.5 GiB".
std::string format_bytes(std::size_t bytes);

}  // namespace tessera
