#include "engine/core/device.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <functional>

#include "engine/core/threads.h"

namespace tessera {
namespace {

using kernels::DeviceError;

struct Choice {
  const Backend* backend = nullptr;
  int index = 0;
  std::string reason;  // why `auto` did not take a GPU, or not a library's kernels
};

const Backend& require_backend(const std::string& name) {
  if (const Backend* backend = kernels::find_backend(name)) return *backend;
  throw DeviceError("device '" + name + "': this build has no such backend" +
                    (name == "cuda" ? " (built without CUDA: install the CUDA toolkit and build again, or use --device cpu)"
                     : name == "emulated" ? " (configured with TESSERA_EMULATED=OFF: configure without that and build again)"
                                          : "; use auto, cpu, cuda, cuda:N or emulated"));
}

Choice choose_device(const std::string& device) {
  if (device == "auto") {
    std::string why = "this build has no CUDA backend";
    const Backend* cuda = kernels::find_backend("cuda");
    if (cuda && cuda->runtime.device_count(&why) > 0) return {cuda, 0, ""};
    return {&require_backend("cpu"), 0, "no GPU: " + why};
  }
  std::string name = device;
  int index = 0;
  if (const auto colon = device.find(':'); colon != std::string::npos) {
    name = device.substr(0, colon);
    const std::string digits = device.substr(colon + 1);
    if (digits.empty() || digits.size() > 4 ||
        !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }))
      throw DeviceError("device '" + device + "': expected a number after the colon, as in cuda:0");
    index = std::stoi(digits);
  }
  if (name == "vendor") throw DeviceError("device 'vendor': these are kernels; use --device cuda --kernels vendor");
  const Backend& backend = require_backend(name);
  std::string why;
  const int count = backend.runtime.device_count(&why);
  if (count == 0) throw DeviceError("device '" + device + "': " + why);
  if (index >= count)
    throw DeviceError("device '" + device + "': there " +
                      (count == 1 ? "is 1 device" : "are " + std::to_string(count) + " devices") + ", numbered from 0");
  return {&backend, index, ""};
}

// The device, with our kernels or with those of cuDNN and cuBLAS.
Choice choose(const DeviceRequest& request) {
  Choice chosen = choose_device(request.device);
  const std::string& kernels = request.kernels;
  if (kernels != "auto" && kernels != "own" && kernels != "vendor")
    throw DeviceError("kernels '" + kernels + "': use auto, own or vendor");
  const bool gpu = chosen.backend->gpu;
  if (kernels == "vendor" && !gpu)
    throw DeviceError("--kernels vendor: cuDNN and cuBLAS are for --device cuda, this is " +
                      std::string(chosen.backend->name) + (chosen.reason.empty() ? "" : " (" + chosen.reason + ")") +
                      "; use --kernels own or auto");
  if (kernels == "own" || !gpu) return chosen;
  std::string why = "this build has no headers of cuDNN and cuBLAS";
  const Backend* over = kernels::overlay_on(*chosen.backend);
  if (over && over->runtime.device_count(&why) > 0) return {over, chosen.index, ""};
  if (kernels == "vendor") throw DeviceError("--kernels vendor: " + why);
  return {chosen.backend, chosen.index, "own kernels: " + why};
}

// Blocks come in eight sizes per power of two (at most 12.5 % waste), so that nearly equal requests share them.
std::size_t size_class(std::size_t bytes) {
  constexpr std::size_t smallest = 256;
  if (bytes <= smallest) return smallest;
  const std::size_t step = std::max(smallest, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

}  // namespace

std::shared_ptr<Device> Device::open(const DeviceRequest& request) {
  const Choice chosen = choose(request);
  return open(request, *chosen.backend, chosen.index, chosen.reason);
}

std::shared_ptr<Device> Device::open(const DeviceRequest& request, const Backend& backend) {
  return open(request, backend, 0, "");
}

std::shared_ptr<Device> Device::open(const DeviceRequest& request, const Backend& backend, int index,
                                     const std::string& reason) {
  kernels::Options options = request.options;
  std::string decided_by;
  if (options.threads <= 0) {
    const ThreadCount usable = usable_threads();
    options.threads = usable.threads;
    decided_by = usable.decided_by;
  }
  if (options.instruction_set == kernels::InstructionSet::best)
    options.instruction_set = kernels::instruction_set_of_environment();
  if (backend.overlays)
    options.search = request.kernels == "auto" ? kernels::Search::library_and_own : kernels::Search::library;
  options.tf32 = request.precision == Precision::tf32;
  if (options.tf32 && backend.runtime.host_memory)
    throw DeviceError("precision tf32: a mode of GPU tensor cores, which device '" + std::string(backend.name) +
                      "' does not have; use fp32, or bf16");
  const kernels::DeviceInfo info = backend.runtime.device_info(index);
  std::string choice = std::string(backend.name) + ": " + info.name;
  if (!info.detail.empty()) choice += ", " + info.detail;
  if (backend.runtime.host_memory)
    choice += ", " + std::to_string(options.threads) + (options.threads == 1 ? " thread" : " threads") +
              (decided_by.empty() ? "" : " by " + decided_by);
  if (!reason.empty()) choice += " (" + reason + ")";
  return std::shared_ptr<Device>(new Device(backend, index, options, request, std::move(choice)));
}

Device::Device(const Backend& backend, int index, const kernels::Options& options, const DeviceRequest& request,
               std::string choice)
    : stream_(backend, index, options),
      table_(&stream_.backend),
      precision_(request.precision),
      pool_memory_(request.pool_memory),
      choice_(std::move(choice)),
      common_(new_pool()),
      pool_(common_) {}

Device::~Device() {  // while the stream is still there
  pool_.reset();
  common_.reset();
}

std::string Device::name() const {
  const Backend& below = backend().overlays ? *backend().overlays : backend();
  return below.gpu ? std::string(below.name) + ":" + std::to_string(stream_.device) : below.name;
}

std::shared_ptr<Storage> Device::allocate(std::size_t bytes) {
  const std::size_t size = pool_memory_ ? size_class(bytes) : bytes;
  void* memory = pool_->take(size);
  if (!memory) {
    const kernels::Runtime& runtime = backend().runtime;
    pool_->expect(size);
    try {
      memory = runtime.allocate(stream_.device, size);
    } catch (const kernels::OutOfMemory&) {
      common_->release();  // blocks of other sizes may make room
      try {
        memory = runtime.allocate(stream_.device, size);
      } catch (const kernels::OutOfMemory& error) {
        throw kernels::OutOfMemory(std::string(error.what()) + "; tensors hold " + format_bytes(in_use_) +
                                   " already: use a smaller --batch-size");
      }
    }
    reserved_ += size;
    ++fresh_;
  }
  in_use_ += size;
  try {
    return std::make_shared<Storage>(shared_from_this(), pool_, memory, size);
  } catch (...) {
    recycle(*pool_, memory, size);
    throw;
  }
}

void Device::recycle(MemoryPool& pool, void* memory, std::size_t bytes) noexcept {
  in_use_ -= bytes;
  pool.put(memory, bytes);
  if (pool_memory_ || &pool != common_.get()) return;
  try {
    pool.release();
  } catch (const kernels::DeviceError&) {  // a lost device: said where it was noticed
  }
}

MemoryPool::~MemoryPool() {
  try {
    release();
  } catch (const kernels::DeviceError&) {  // a lost device: said where it was noticed
  }
}

void* MemoryPool::take(std::size_t bytes) {
  const auto found = blocks_.find(bytes);
  if (!reuse_ || found == blocks_.end() || found->second.free.empty()) return nullptr;
  void* memory = found->second.free.back();
  found->second.free.pop_back();
  return memory;
}

void MemoryPool::expect(std::size_t bytes) {
  Blocks& blocks = blocks_[bytes];
  if (blocks.free.capacity() < blocks.owned + 1) blocks.free.reserve(2 * (blocks.owned + 1));
  ++blocks.owned;
}

void MemoryPool::put(void* memory, std::size_t bytes) noexcept {
  // Kept in descending order, so that the lowest address is taken first: which block a request gets depends on what is
  // free, not on the order in which it was freed, and a repeated step finds its tensors where they were.
  std::vector<void*>& free = blocks_.find(bytes)->second.free;
  free.insert(std::upper_bound(free.begin(), free.end(), memory, std::greater<void*>()), memory);
}

void MemoryPool::release() {
  const bool nothing_free = std::all_of(blocks_.begin(), blocks_.end(), [](const auto& b) { return b.second.free.empty(); });
  if (nothing_free) return;
  device_.synchronize();  // kernels in flight may still use them
  for (auto& [bytes, blocks] : blocks_) {
    for (void* block : blocks.free) {
      device_.backend().runtime.release(device_.stream_.device, block);
      device_.reserved_ -= bytes;
    }
    blocks.owned -= blocks.free.size();
    blocks.free.clear();
  }
}

void Device::zero(void* memory, std::size_t bytes) {
  ++copies_;
  backend().runtime.zero(stream_.native, memory, bytes);
}

void Device::upload(void* to, const void* from, std::size_t bytes) {
  ++copies_;
  if (bytes == 0) return;
  backend().runtime.copy(stream_.native, to, from, bytes, kernels::Copy::host_to_device);
  synchronize();
}

void Device::download(void* to, const void* from, std::size_t bytes) {
  ++copies_;
  if (bytes == 0) return;
  backend().runtime.copy(stream_.native, to, from, bytes, kernels::Copy::device_to_host);
  synchronize();
}

void Device::synchronize() { backend().runtime.synchronize(stream_.native); }

std::string format_bytes(std::size_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) value /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

}  // namespace tessera
