// The CUDA runtime behind runtime.h's functions. Every failing call becomes a DeviceError that names what was asked for and
// what the driver answered.
#include "kernels/cuda/runtime.h"

#include <string>

#include "kernels/cuda/gpu.h"
#include "kernels/errors.h"

namespace tessera::kernels::cuda {
namespace {

constexpr int oldest_major = 8;  // bf16 and cp.async begin with compute capability 8.0
constexpr int most_devices = 64;

// An error that is not told here must not be told by the next call either: the runtime keeps the last one.
bool succeeded(cudaError_t error) {
  if (error == cudaSuccess) return true;
  (void)cudaGetLastError();
  return false;
}

[[noreturn]] void fail(const std::string& what, cudaError_t error) {
  (void)succeeded(error);
  const std::string text = "cuda: " + what + " failed: " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")";
  if (error == cudaErrorMemoryAllocation)
    throw OutOfMemory(text + "; use a smaller batch, or end other programs on this device");
  throw DeviceError(text);
}
void check(const std::string& what, cudaError_t error) {
  if (error != cudaSuccess) fail(what, error);
}

std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }
std::string gigabytes(std::size_t bytes) { return std::to_string(static_cast<double>(bytes) / 1e9).substr(0, 6) + " GB"; }

void use(int device) { check("choosing device " + std::to_string(device), cudaSetDevice(device)); }

// Threads begin with device 0, whatever device their stream is of.
void use_device_of(void* stream) {
  int device = 0;
  check("asking for a stream's device", cudaStreamGetDevice(static_cast<cudaStream_t>(stream), &device));
  use(device);
}

// ---- devices -------------------------------------------------------------------------------------------------------------

// Usable devices are numbered from 0; CUDA's own numbers have gaps where a device is too old.
struct Usable {
  int count = 0;
  int number[most_devices] = {};
  std::string why;  // none are
};

Usable find_devices() {
  Usable usable;
  int count = 0;  // cudaGetDeviceCount leaves it alone where there is no driver
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (!succeeded(error)) {
    int driver = 0, runtime = 0;
    (void)succeeded(cudaDriverGetVersion(&driver));
    (void)succeeded(cudaRuntimeGetVersion(&runtime));
    if (driver == 0) {
      usable.why =
          "no NVIDIA driver is installed (or it is not visible here, as in a container started without GPUs); install the "
          "driver or use --device cpu";
    } else if (error == cudaErrorInsufficientDriver) {
      usable.why = "the NVIDIA driver supports CUDA " + version(driver) + ", this build needs CUDA " + version(runtime) +
                   "; update the driver or use --device cpu";
    } else {
      usable.why = std::string("the NVIDIA driver found no device: ") + cudaGetErrorString(error) + " (" +
                   cudaGetErrorName(error) + "); use --device cpu";
    }
    return usable;
  }
  for (int i = 0; i < count && usable.count < most_devices; ++i) {
    int major = 0, minor = 0;
    check("asking device " + std::to_string(i) + " for its compute capability",
          cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, i));
    check("asking device " + std::to_string(i) + " for its compute capability",
          cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, i));
    if (major >= oldest_major) {
      usable.number[usable.count++] = i;
    } else {
      usable.why += "device " + std::to_string(i) + " has compute capability " + std::to_string(major) + "." +
                    std::to_string(minor) +
                    ", but the kernels of this build are for " TESSERA_CUDA_ARCHITECTURES " and newer; ";
    }
  }
  if (usable.count == 0) usable.why = (count == 0 ? "the NVIDIA driver lists no device; " : usable.why) + "use --device cpu";
  return usable;
}

const Usable& devices() {
  static const Usable usable = find_devices();
  return usable;
}

int number_of(int device) {
  const Usable& usable = devices();
  if (usable.count == 0) throw DeviceError("cuda: " + usable.why);
  if (device < 0 || device >= usable.count)
    throw DeviceError("cuda: there is no device " + std::to_string(device) + "; devices 0 to " +
                      std::to_string(usable.count - 1) + " can be used");
  return usable.number[device];
}

int device_count(std::string* why) {
  if (why && devices().count == 0) *why = devices().why;
  return devices().count;
}

DeviceInfo device_info(int device) {
  cudaDeviceProp properties{};
  check("asking device " + std::to_string(device) + " for its properties",
        cudaGetDeviceProperties(&properties, number_of(device)));
  return {properties.name,
          "compute capability " + std::to_string(properties.major) + "." + std::to_string(properties.minor) + ", " +
              std::to_string(properties.multiProcessorCount) + " multiprocessors",
          properties.totalGlobalMem};
}

// ---- memory --------------------------------------------------------------------------------------------------------------

void* allocate(int device, std::size_t bytes) {
  use(number_of(device));
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes == 0 ? 1 : bytes);
  if (error == cudaErrorMemoryAllocation) {
    (void)succeeded(error);
    std::size_t free = 0, total = 0;
    (void)succeeded(cudaMemGetInfo(&free, &total));
    throw OutOfMemory("cuda: device " + std::to_string(device) + " has no memory for " + std::to_string(bytes) + " bytes (" +
                      gigabytes(bytes) + "): " + gigabytes(free) + " of " + gigabytes(total) +
                      " are free; use a smaller batch, or end other programs on this device");
  }
  check("allocating " + std::to_string(bytes) + " bytes", error);
  return memory;
}

void release(int device, void* memory) {
  (void)(succeeded(cudaSetDevice(number_of(device))) && succeeded(cudaFree(memory)));
}

// ---- streams -------------------------------------------------------------------------------------------------------------

void* create_stream(int device) {
  use(number_of(device));
  cudaStream_t stream = nullptr;
  // Not the default stream, and one that does not wait for it: only such a stream can be captured.
  check("creating a stream", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

void destroy_stream(int device, void* stream) {
  (void)(succeeded(cudaSetDevice(number_of(device))) && succeeded(cudaStreamDestroy(static_cast<cudaStream_t>(stream))));
}

void copy(void* stream, void* to, const void* from, std::size_t bytes, Copy direction) {
  const cudaMemcpyKind kind = direction == Copy::host_to_device   ? cudaMemcpyHostToDevice
                              : direction == Copy::device_to_host ? cudaMemcpyDeviceToHost
                                                                  : cudaMemcpyDeviceToDevice;
  if (bytes == 0) return;
  const std::string what = "copying " + std::to_string(bytes) + " bytes";
  if (direction != Copy::device_to_device) {  // a recording would copy from or to the same host address ever after
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check(what, cudaStreamIsCapturing(static_cast<cudaStream_t>(stream), &status));
    if (status != cudaStreamCaptureStatusNone)
      throw DeviceError("cuda: " + what + " from or to the host while the stream is recording");
  }
  use_device_of(stream);
  check(what, cudaMemcpyAsync(to, from, bytes, kind, static_cast<cudaStream_t>(stream)));
}

void zero(void* stream, void* memory, std::size_t bytes) {
  if (bytes == 0) return;
  use_device_of(stream);
  check("setting " + std::to_string(bytes) + " bytes to zero",
        cudaMemsetAsync(memory, 0, bytes, static_cast<cudaStream_t>(stream)));
}

void synchronize(void* stream) {
  check("waiting for a stream (a kernel before it may be at fault)",
        cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
}

// ---- recordings: CUDA graphs ---------------------------------------------------------------------------------------------

void begin_recording(void* stream) {
  // Thread-local: what this thread must not do meanwhile (allocate, wait) fails at once; other threads' work is their own.
  check("beginning to record a stream",
        cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal));
}

void* end_recording(void* stream) {
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &graph);
  if (ended != cudaSuccess || !graph) {
    if (graph) (void)succeeded(cudaGraphDestroy(graph));
    fail("recording a stream (something in it cannot be recorded)", ended);
  }
  cudaGraphExec_t executable = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&executable, graph, 0);
  (void)succeeded(cudaGraphDestroy(graph));
  check("making a graph of a recorded stream", made);
  return executable;
}

void replay(void* stream, void* recording) {
  use_device_of(stream);
  check("replaying a recorded stream",
        cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), static_cast<cudaStream_t>(stream)));
}

void destroy_recording(void* recording) { (void)succeeded(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording))); }

std::string place(const LaunchOn& on) {
  return std::string("[") + on.op + "] kernel launched at " + on.file + ":" + std::to_string(on.line);
}

}  // namespace

const Runtime runtime = {.device_count = device_count,
                         .device_info = device_info,
                         .allocate = allocate,
                         .release = release,
                         .create_stream = create_stream,
                         .destroy_stream = destroy_stream,
                         .copy = copy,
                         .zero = zero,
                         .synchronize = synchronize,
                         .begin_recording = begin_recording,
                         .end_recording = end_recording,
                         .replay = replay,
                         .destroy_recording = destroy_recording,
                         .host_memory = false};

// ---- launches ------------------------------------------------------------------------------------------------------------

cudaStream_t prepare_launch(const LaunchOn& on, const void* kernel, std::size_t shared_bytes) {
  use(number_of(on.stream.device));
  (void)cudaGetLastError();  // left by another library: this launch is not to blame
  // The limit without asking, 48 KB, is for static and dynamic memory together; only the compiler knows the former.
  if (shared_bytes > 0)
    check(place(on) + ": asking for " + std::to_string(shared_bytes) + " bytes of shared memory",
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)));
  return static_cast<cudaStream_t>(on.stream.native);
}

void check_launch(const LaunchOn& on, dim3 grid, dim3 block, std::size_t shared_bytes) {
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return;
  const auto size = [](dim3 d) {
    return std::string("(") + std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z) + ")";
  };
  fail(place(on) + ", grid " + size(grid) + ", blocks of " + size(block) + " threads, " + std::to_string(shared_bytes) +
           " bytes of dynamic shared memory,",
       error);
}

}  // namespace tessera::kernels::cuda
