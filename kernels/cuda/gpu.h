// The one header that lets a kernel file be compiled twice: by nvcc for a GPU, and by a C++ compiler for the emulator.
//
// A kernel file is natural CUDA (__global__, __shared__, threadIdx, __syncthreads, __shfl_*_sync, float4, …) with two
// spellings of its own, because C++ has none for what CUDA writes there:
//   launch(kernel, grid, block, shared_bytes, stream, arguments…)    for  kernel<<<grid, block, shared_bytes, stream>>>(…)
//   DYNAMIC_SHARED(T, name);                                         for  extern __shared__ T name[];
//
// Both builds are linked into one program, so everything stands in
//   namespace tessera::kernels::TESSERA_GPU_NAMESPACE { namespace { kernels } launchers }
//
// Rules that keep the emulator's verdict meaningful (kernels/emulator/scheduler.h):
//   * kernels in an anonymous namespace, no mutable variables outside functions, no __shared__ in functions of headers;
//   * no return before a barrier (predicate instead); explicit masks; __syncwarp between lanes that talk through memory;
//   * blocks never wait for one another;  inline assembly only in wrappers with an emulated body beside it (tensor_core.h,
//     async_copy.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/stream.h"

#if defined(__CUDACC__)
#define TESSERA_GPU_NAMESPACE cuda
#include <cuda_runtime.h>
#else
#define TESSERA_GPU_NAMESPACE emulated
#include "kernels/emulator/device.h"
#include "kernels/emulator/recording.h"
#endif

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// The stream a launch goes to, and who launches: constructed from a Stream& at the call, so that an error can name it.
struct LaunchOn {
  LaunchOn(Stream& s, const char* op_ = __builtin_FUNCTION(), const char* file_ = __builtin_FILE(),
           int line_ = __builtin_LINE())
      : stream(s), op(op_), file(file_), line(line_) {}

  Stream& stream;
  const char* op;
  const char* file;
  int line;
};

#if defined(__CUDACC__)

// The place of a call, which the emulator's reports name; a GPU makes none. Wrappers end in `Location = Location::here()`.
struct Location {
  __host__ __device__ static constexpr Location here() { return {}; }
};

// The same alignment for every type: all uses of dynamic shared memory in one file name one array.
#define DYNAMIC_SHARED(T, name)                                            \
  extern __shared__ __align__(128) unsigned char tessera_dynamic_shared[]; \
  T* const name = reinterpret_cast<T*>(tessera_dynamic_shared)

// Makes the stream's device current and allows the kernel the shared memory it asks for (above 48 KB: on request only).
cudaStream_t prepare_launch(const LaunchOn& on, const void* kernel, std::size_t shared_bytes);
// Throws DeviceError, naming operation, place and launch sizes, where the launch was refused.
void check_launch(const LaunchOn& on, dim3 grid, dim3 block, std::size_t shared_bytes);

// Queues kernel(arguments…); a grid without blocks is no launch at all. Throws DeviceError.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, LaunchOn on,
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaStream_t native = prepare_launch(on, reinterpret_cast<const void*>(kernel), shared_bytes);
  kernel<<<grid, block, shared_bytes, native>>>(static_cast<Parameters>(static_cast<Arguments&&>(arguments))...);
  check_launch(on, grid, block, shared_bytes);
}

#else

#define DYNAMIC_SHARED(T, name) T* const name = reinterpret_cast<T*>(::tessera::kernels::emulated::dynamic_shared_memory())

// Runs kernel(arguments…) to its end, or remembers the launch where the stream is recording; a grid without blocks is no
// launch at all. Throws KernelFault.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, LaunchOn on,
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const auto thread = [kernel, ... values = static_cast<Parameters>(arguments)] { kernel(values...); };
  issue(on.stream.native,
        [where = Launch{grid, block, shared_bytes, on.op, {on.file, on.line}}, thread] { run_grid(where, thread); });
}

#endif

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
