// Memory for the way out. Where an allocation has failed, destructors run, and some of a library's need a little memory
// themselves (those of JSON values put their parts on a stack): without it they end the process by abort(). So what fails
// after a first std::bad_alloc is served from an arena that was there from the beginning, and the error reaches whoever
// reports it (guarded, program.h).
//
// The operators of the language are replaced, which only a program may do, and which is why the arena cannot belong to an
// object.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t arena_size = std::size_t{1} << 18, alignment = alignof(std::max_align_t);
alignas(alignment) std::byte arena[arena_size];
std::atomic<std::size_t> used{0};
std::atomic<bool> failed_before{false};

bool is_in_arena(const void* memory) { return memory >= arena && memory < arena + arena_size; }

void* from_arena(std::size_t bytes) {
  if (bytes > arena_size) return nullptr;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment, begin = used.fetch_add(rounded);
  return begin + rounded <= arena_size ? arena + begin : nullptr;
}

}  // namespace

void* operator new(std::size_t bytes) {
  const std::size_t wanted = std::max<std::size_t>(bytes, 1);
  if (void* memory = std::malloc(wanted)) return memory;
  if (failed_before.exchange(true))
    if (void* memory = from_arena(wanted)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  if (!is_in_arena(memory)) std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
