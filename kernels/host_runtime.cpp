#include "kernels/host_runtime.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "kernels/errors.h"

namespace tessera::kernels {
namespace {

constexpr std::size_t alignment = 256;
constexpr std::size_t huge_page = std::size_t{2} << 20;

int device_count(std::string*) { return 1; }

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t value = line.find_first_not_of(" \t", line.find(':') + 1);
    if (value != std::string::npos) return line.substr(value);
  }
  return "CPU";  // not every architecture's kernel tells a model name
}

DeviceInfo device_info(int) {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGE_SIZE), processors = sysconf(_SC_NPROCESSORS_ONLN);
  return {.name = cpu_name(),
          .detail = std::to_string(processors) + " logical processors",
          .memory_bytes = pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : 0};
}

// Exactly `bytes`, not rounded up: what lies behind belongs to nobody, and a sanitizer says so. Large blocks ask for huge
// pages: the processor fetches ahead no further than to the end of a page, and looks fewer of them up.
void* allocate(int, std::size_t bytes) {
  void* memory = nullptr;
  const bool large = bytes >= huge_page;
  if (posix_memalign(&memory, large ? huge_page : alignment, bytes > 0 ? bytes : 1) != 0)
    throw OutOfMemory("host memory: cannot allocate " + std::to_string(bytes) + " bytes");
#if defined(MADV_HUGEPAGE)
  if (large) madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);  // a wish: without, it is slower
#endif
  return memory;
}

void release(int, void* memory) { std::free(memory); }

void* create_stream(int) { return nullptr; }
void destroy_stream(int, void*) {}

void copy(void*, void* to, const void* from, std::size_t bytes, Copy) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void zero(void*, void* memory, std::size_t bytes) {
  if (bytes > 0) std::memset(memory, 0, bytes);
}

void synchronize(void*) {}

constexpr Runtime table = {.device_count = device_count,
                           .device_info = device_info,
                           .allocate = allocate,
                           .release = release,
                           .create_stream = create_stream,
                           .destroy_stream = destroy_stream,
                           .copy = copy,
                           .zero = zero,
                           .synchronize = synchronize,
                           .begin_recording = nullptr,
                           .end_recording = nullptr,
                           .replay = nullptr,
                           .destroy_recording = nullptr,
                           .host_memory = true};

}  // namespace

const Runtime& host_runtime() { return table; }

}  // namespace tessera::kernels
