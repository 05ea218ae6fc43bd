#include <cuda_runtime_api.h>
#include <cupti_activity.h>
#include <cupti_result.h>
#include <dlfcn.h>

#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "bench/kernel_trace.h"

namespace tessera::bench {
namespace {

// Enough for some thousands of records; CUPTI asks for another when it is full.
constexpr std::size_t buffer_bytes = std::size_t{1} << 20, buffer_alignment = 8;

// The functions, found by name in a library that may be of another version than the header.
struct Cupti {
  decltype(&cuptiActivityRegisterCallbacks) register_callbacks = nullptr;
  decltype(&cuptiActivityEnable) enable = nullptr;
  decltype(&cuptiActivityFlushAll) flush = nullptr;
  decltype(&cuptiActivityGetNextRecord) next_record = nullptr;
  decltype(&cuptiActivityGetNumDroppedRecords) dropped_records = nullptr;
  decltype(&cuptiGetResultString) result_string = nullptr;
};

// What CUPTI's callbacks work on. They are given no pointer of ours, and its threads outlive main(): hence one place for
// the whole program, never destroyed.
struct Sink {
  std::mutex mutex;
  Cupti cupti;
  std::vector<Interval> intervals;
  std::size_t lost = 0;
};
Sink& sink() {
  static Sink& only = *new Sink;
  return only;
}

void add(Sink& to, std::uint64_t begin, std::uint64_t end, std::int64_t blocks) {
  if (begin == 0 || end < begin)
    ++to.lost;  // CUPTI had no room for its times
  else
    to.intervals.push_back({begin, end, blocks});
}

// The forms of records grow from version to version at their end: the oldest form of each serves all.
void read(Sink& to, const CUpti_Activity& record) {
  if (record.kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
    const auto& kernel = reinterpret_cast<const CUpti_ActivityKernel4&>(record);
    add(to, kernel.start, kernel.end, std::int64_t{kernel.gridX} * kernel.gridY * kernel.gridZ);
  } else if (record.kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
    const auto& copy = reinterpret_cast<const CUpti_ActivityMemcpy&>(record);
    add(to, copy.start, copy.end, 0);
  } else if (record.kind == CUPTI_ACTIVITY_KIND_MEMSET) {
    const auto& fill = reinterpret_cast<const CUpti_ActivityMemset&>(record);
    add(to, fill.start, fill.end, 0);
  }
}

void CUPTIAPI buffer_wanted(std::uint8_t** buffer, std::size_t* size, std::size_t* most_records) {
  *buffer = static_cast<std::uint8_t*>(operator new (buffer_bytes, std::align_val_t{buffer_alignment}, std::nothrow));
  *size = *buffer ? buffer_bytes : 0;
  *most_records = 0;  // as many as fit
}

void CUPTIAPI buffer_full(CUcontext context, std::uint32_t stream, std::uint8_t* buffer, std::size_t, std::size_t valid) {
  Sink& to = sink();
  const std::lock_guard lock(to.mutex);
  CUpti_Activity* record = nullptr;
  while (valid > 0 && to.cupti.next_record(buffer, valid, &record) == CUPTI_SUCCESS) read(to, *record);
  std::size_t dropped = 0;
  if (to.cupti.dropped_records(context, stream, &dropped) == CUPTI_SUCCESS) to.lost += dropped;
  operator delete (buffer, std::align_val_t{buffer_alignment});
}

std::string words(const Cupti& cupti, CUptiResult result) {
  const char* text = nullptr;
  cupti.result_string(result, &text);
  return text ? text : "error " + std::to_string(result);
}

// Opens one library and begins; what was wrong, or nothing.
std::string begin_with(const std::string& file, Cupti& cupti) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return dlerror();
  bool whole = true;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    whole = whole && function;
  };
  find(cupti.register_callbacks, "cuptiActivityRegisterCallbacks");
  find(cupti.enable, "cuptiActivityEnable");
  find(cupti.flush, "cuptiActivityFlushAll");
  find(cupti.next_record, "cuptiActivityGetNextRecord");
  find(cupti.dropped_records, "cuptiActivityGetNumDroppedRecords");
  find(cupti.result_string, "cuptiGetResultString");
  if (!whole) return file + " is no CUPTI, or of another version";
  // CONCURRENT_KERNEL traces a graph's kernels one by one, unless GRAPH_TRACE is enabled as well.
  CUptiResult result = cupti.register_callbacks(buffer_wanted, buffer_full);
  for (const CUpti_ActivityKind kind :
       {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_MEMSET})
    if (result == CUPTI_SUCCESS) result = cupti.enable(kind);
  return result == CUPTI_SUCCESS ? "" : file + " refuses: " + words(cupti, result);
}

}  // namespace

KernelTrace::KernelTrace() {
  std::vector<std::string> files{TESSERA_CUPTI_LIBRARY, "libcupti.so.13", "libcupti.so.12"};
  if (const char* named = std::getenv("TESSERA_CUPTI")) files = {named};
  std::string why;
  for (const std::string& file : files) {
    if (file.empty()) continue;
    const std::string wrong = begin_with(file, sink().cupti);
    if (wrong.empty()) return;
    why += (why.empty() ? "" : "; ") + wrong;
  }
  throw std::runtime_error("CUPTI: " + why);
}

std::vector<Interval> KernelTrace::take() {
  Sink& from = sink();
  // First what is whole, then whatever is left: forced at once, CUPTI may give up records that it is about to complete.
  for (const std::uint32_t flag : {0u, static_cast<std::uint32_t>(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED)})
    if (const CUptiResult result = from.cupti.flush(flag); result != CUPTI_SUCCESS)
      throw std::runtime_error("CUPTI: it gives no records: " + words(from.cupti, result));
  const std::lock_guard lock(from.mutex);
  const std::size_t lost = std::exchange(from.lost, 0);
  std::vector<Interval> taken = std::exchange(from.intervals, {});
  if (lost > 0)
    throw std::runtime_error("CUPTI: " + std::to_string(lost) + " records of " + std::to_string(lost + taken.size()) +
                             " were lost");
  return taken;
}

int KernelTrace::multiprocessors() const {
  int device = 0, count = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device) != cudaSuccess)
    throw std::runtime_error("the CUDA runtime does not say how many multiprocessors the device has");
  return count;
}

}  // namespace tessera::bench
