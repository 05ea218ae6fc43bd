// Kernel launches and what the runtime refuses of them.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tests/ptx/cudart/driver.h"

using namespace tessera::ptx;

namespace {

// Limits of compute capability 9.0.
constexpr u32 shared_default = 48 * 1024, shared_limit = 227 * 1024, shared_of_multiprocessor = 228 * 1024,
              shared_of_system = 1024;
constexpr u32 most_threads = 1024, most_z_threads = 64, most_blocks_x = 0x7fffffffu, most_blocks_yz = 65535;

struct Configuration {
  dim3 grid, block;
  std::size_t shared;
  cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;  // kernel<<<…>>> pushes one, its stub takes it

struct Refusal {
  cudaError_t error;
  const char* why;
};
Refusal refusal(const Function& f, const dim3& g, const dim3& b, std::size_t shared) {
  const Kernel& k = *f.kernel;
  const u64 threads = u64{b.x} * b.y * b.z, all_shared = k.dynamic_offset + shared;
  const u64 bound = u64{k.max_threads[0]} * std::max(k.max_threads[1], 1u) * std::max(k.max_threads[2], 1u);
  if (g.x == 0 || g.y == 0 || g.z == 0 || threads == 0) return {cudaErrorInvalidConfiguration, "a size of 0"};
  if (g.x > most_blocks_x || g.y > most_blocks_yz || g.z > most_blocks_yz)
    return {cudaErrorInvalidConfiguration, "the grid is too large"};
  if (b.z > most_z_threads || threads > most_threads) return {cudaErrorInvalidConfiguration, "the block is too large"};
  if (bound && threads > bound) return {cudaErrorInvalidValue, "more threads than __launch_bounds__"};
  if (!f.opted_in && all_shared > shared_default)
    return {cudaErrorInvalidValue, "more than 48 KB of shared memory, which was not asked for"};
  if (f.opted_in && shared > f.dynamic_limit) return {cudaErrorInvalidValue, "more shared memory than was asked for"};
  if (all_shared > shared_limit) return {cudaErrorInvalidValue, "more shared memory than there is"};
  return {cudaSuccess, ""};
}

void note_oddities(Driver& driver, const Kernel& k, std::size_t shared) {
  if (!k.max_threads[0]) driver.machine.note("a kernel without launch bounds: " + demangled(k.name));
  if (k.blocks_per_multiprocessor > 1 &&
      (k.dynamic_offset + shared + shared_of_system) * k.blocks_per_multiprocessor > shared_of_multiprocessor)
    driver.machine.note("the blocks that a multiprocessor is promised do not fit its shared memory: " + demangled(k.name));
  if (shared && !k.uses_dynamic)
    driver.machine.note("dynamic shared memory for a kernel that uses none: " + demangled(k.name));
}

cudaError_t launch(const void* host, dim3 grid, dim3 block, void** arguments, std::size_t shared, cudaStream_t stream) {
  Driver& driver = Driver::instance();
  Function* const f = driver.function(host);
  if (!f) return cudaErrorNoKernelImageForDevice;
  Kernel& k = *f->kernel;
  if (!k.error.empty()) {
    driver.machine.note("NOT DECODED: " + k.error);
    return cudaErrorInvalidPtx;
  }
  StreamState* const s = driver.stream(stream);
  if (!s || s->device != driver.current_device()) return cudaErrorInvalidResourceHandle;
  if (const Refusal refused = refusal(*f, grid, block, shared); refused.error != cudaSuccess) {
    std::fprintf(stderr, "[ptx] launch refused: %s: %s, grid %u,%u,%u block %u,%u,%u shared %u+%zu\n", refused.why,
                 demangled(k.name).c_str(), grid.x, grid.y, grid.z, block.x, block.y, block.z, k.static_shared, shared);
    return refused.error;
  }
  note_oddities(driver, k, shared);
  auto queued = std::make_shared<Launch>();
  queued->kernel = &k;
  queued->grid = {grid.x, grid.y, grid.z};
  queued->block = {block.x, block.y, block.z};
  queued->dynamic_shared = static_cast<u32>(shared);
  queued->parameters.assign(k.parameter_bytes + sizeof(u64), 0);
  for (std::size_t n = 0; n < k.parameters.size(); ++n)
    std::memcpy(queued->parameters.data() + k.parameters[n].offset, arguments[n], k.parameters[n].size);
  return driver.push(*s, [&driver, queued] { driver.machine.run(*queued); });
}

}  // namespace

TESSERA_PTX_API unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  configurations.push_back({grid, block, shared, stream});
  return 0;
}
TESSERA_PTX_API cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  const Configuration c = configurations.back();
  configurations.pop_back();
  *grid = c.grid, *block = c.block, *shared = c.shared;
  *static_cast<cudaStream_t*>(stream) = c.stream;
  return cudaSuccess;
}
TESSERA_PTX_API cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(host));
  return cudaSuccess;
}
TESSERA_PTX_API cudaError_t cudaLaunchKernel(const void* host, dim3 grid, dim3 block, void** arguments, size_t shared,
                                             cudaStream_t stream) {
  return Driver::instance().call(__func__, true, [&] { return launch(host, grid, block, arguments, shared, stream); });
}
TESSERA_PTX_API cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                                               cudaStream_t stream) {
  return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), grid, block, arguments, shared, stream);
}

TESSERA_PTX_API cudaError_t cudaFuncSetAttribute(const void* host, cudaFuncAttribute attribute, int value) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    Function* const f = driver.function(host);
    if (!f) return cudaErrorInvalidDeviceFunction;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        f->kernel->dynamic_offset + static_cast<u32>(value) > shared_limit)
      return cudaErrorInvalidValue;
    f->opted_in = true;
    f->dynamic_limit = static_cast<u32>(value);
    return cudaSuccess;
  });
}
TESSERA_PTX_API cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* host) {
  Driver& driver = Driver::instance();
  return driver.call(__func__, true, [&] {
    Function* const f = driver.function(host);
    if (!f) return cudaErrorInvalidDeviceFunction;
    std::memset(attributes, 0, sizeof *attributes);
    attributes->sharedSizeBytes = f->kernel->static_shared;
    attributes->maxDynamicSharedSizeBytes = static_cast<int>(f->dynamic_limit);
    attributes->maxThreadsPerBlock = static_cast<int>(most_threads);
    return cudaSuccess;
  });
}
