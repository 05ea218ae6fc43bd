// A stream: where kernels of one device run in order, with the scratch memory and the options they run under.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/instruction_set.h"
#include "kernels/runtime.h"

namespace tessera::kernels {

struct Backend;
class ThreadPool;

// Which ways to compute a shape are timed when it is first met, to keep the fastest (backend `vendor`; never where results
// are to be deterministic).
enum class Search : unsigned char { off, library, library_and_own };

// How results may be computed. Fixed when the device is opened.
struct Options {
  int threads = 1;             // CPU threads a kernel may use
  bool deterministic = false;  // no plan chosen by timing (the number of threads never changes a result)
  InstructionSet instruction_set = InstructionSet::best;  // of the `cpu` backend's loops
  bool direct_convolution = false;                        // no Winograd or other algorithm that gives up accuracy for speed
  bool tf32 = false;            // float32 products may round their operands to TF32 (10 bits of mantissa)
  Search search = Search::off;  // what may be chosen by timing
};

// Scratch memory of a stream: one block that a kernel borrows for the length of one slot call.
//
// It grows while the first steps warm it up. Blocks it has outgrown stay allocated until the stream ends, because
// kernels in flight (and recorded steps) may still point at them; growth is geometric, so they cost at most as much again.
class Workspace {
 public:
  Workspace(const Runtime& runtime, int device) : runtime_(runtime), device_(device) {}
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // At least `bytes` of device memory aligned to 256 bytes, contents undefined, valid until the next call.
  void* borrow(std::size_t bytes);
  std::size_t capacity() const { return capacity_; }

 private:
  const Runtime& runtime_;
  int device_;
  std::vector<void*> blocks_;
  std::size_t capacity_ = 0;
};

class Stream {
 public:
  Stream(const Backend& backend, int device, Options options);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const Backend& backend;
  const int device;
  const Options options;
  void* const native;  // the runtime's handle (a cudaStream_t); null on a CPU
  Workspace workspace;
  const std::shared_ptr<ThreadPool> threads;  // the process's; used where device memory is the host's
  std::shared_ptr<void> library;  // what a backend keeps with a stream: handles of a vendor's library, chosen plans
};

}  // namespace tessera::kernels
