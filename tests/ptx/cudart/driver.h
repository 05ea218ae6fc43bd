// What the runtime's functions act on: the loaded kernels, streams and graphs of devices that do not exist.
//
// Work on a stream is done only when someone waits for it, so that what a host may not rely on goes wrong here.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/ptx/interpreter/machine.h"

// The runtime's functions are all that this library exports.
#define TESSERA_PTX_API extern "C" __attribute__((visibility("default")))

namespace tessera::ptx {

// From the environment; docs/ptx.md has the table.
struct Settings {
  Settings();
  Options machine;
  int devices = 1;  // −1: no driver
  bool lazy = true;
  bool faults_stay = true;
  bool trace_calls = false;
  bool refuse_host_copies = false;  // of pageable memory into a recording; CUDA records them
  bool statistics = false;
  std::string coverage;  // file to append to
};

// A call that is made to fail: the call-th one of a function.
struct Failure {
  std::string function;
  u64 call = 0;
  cudaError_t error = cudaSuccess;
};

// A fat binary that nvcc put into the program: its PTX, decoded when a kernel of it is first asked for.
struct Binary {
  std::string text;
  std::unique_ptr<Module> module;
};
struct Function {
  Binary* binary = nullptr;
  std::string name;
  Kernel* kernel = nullptr;
  u32 dynamic_limit = 48 * 1024;  // what cudaFuncSetAttribute allowed
  bool opted_in = false;
};

using Operation = std::function<void()>;
struct Graph {
  std::vector<Operation> nodes;
};
struct StreamState {
  int device = 0;
  std::deque<Operation> queue;
  std::unique_ptr<Graph> capture;  // what is being recorded
  bool invalid = false;            // the recording is
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
};
struct ExecutableGraph {
  std::shared_ptr<const Graph> graph;
};
struct EventState {
  std::chrono::steady_clock::time_point at;
};

class Driver {
 public:
  static Driver& instance();

  // One call of an API function: counted, traced, made to fail where that was asked for; its result becomes the last error.
  // needs_device: without one, or after a fault that stays, the call fails.
  template <class Body>
  cudaError_t call(const char* name, bool needs_device, Body body) {
    const std::lock_guard lock(mutex_);
    cudaError_t result = enter(name, needs_device);
    if (result == cudaSuccess) result = body();
    return finish(result);
  }
  cudaError_t last_error(bool reset);
  int& current_device();  // of this thread

  // ---- work ----
  StreamState* stream(cudaStream_t s);                    // null, and noted, where there is none such
  cudaError_t push(StreamState& s, Operation operation);  // queues it, or records it
  cudaError_t drain(StreamState& s);
  cudaError_t drain_all();
  // A call that must not be made while this thread records; it ends the recording.
  cudaError_t forbid_capture();

  Function* function(const void* host);  // decoded; null where there is no PTX for it

  void recover();  // forgets a fault that stays, and all work under way

  const Settings settings;
  Failure failure;
  int devices;  // −1: no driver
  Machine machine;
  std::vector<std::unique_ptr<Binary>> binaries;
  std::map<const void*, Function> functions;
  std::set<StreamState*> streams;
  std::set<Graph*> graphs;
  std::set<ExecutableGraph*> executables;
  std::map<std::string, u64> calls;
  u64 captured_nodes = 0;

 private:
  Driver();
  cudaError_t enter(const char* name, bool needs_device);
  cudaError_t finish(cudaError_t result);
  void execute(const Operation& operation);  // throws cudaError_t

  std::recursive_mutex mutex_;
  cudaError_t fault_ = cudaSuccess;  // that stays
  StreamState default_stream_;
};

// At the end of the program (coverage.cpp).
void report(Driver& driver);

}  // namespace tessera::ptx
