// Memory for the way out. Where an allocation has failed, destructors run, and some of a library's need a little memory
// themselves (those of JSON values put their parts on a stack): without it they end the process by abort(). So there is an
// arena from the beginning. What fails after a first std::bad_alloc is served from it, and the error reaches whoever reports
// it (guarded, program.h). Small requests are served from its first half even before that: a destructor may be the first to
// fail.
//
// Nor can anybody be told before main has begun, where libraries build their constants: until then all comes from the arena
// that cannot be had otherwise.
//
// The operators of the language are replaced, which only a program may do, and which is why the arena cannot belong to an
// object.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "apps/emergency.h"

namespace {

constexpr std::size_t arena_size = std::size_t{1} << 18, small = 4096, alignment = alignof(std::max_align_t);
alignas(alignment) std::byte arena[arena_size];
std::atomic<std::size_t> used{0};
std::atomic<bool> use_arena{true};

bool is_in_arena(const void* memory) { return memory >= arena && memory < arena + arena_size; }

void* from_arena(std::size_t bytes) {
  if (bytes > arena_size) return nullptr;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment, begin = used.fetch_add(rounded);
  return begin + rounded <= arena_size ? arena + begin : nullptr;
}

}  // namespace

namespace tessera {

void let_allocations_fail() { use_arena = false; }

}  // namespace tessera

void* operator new(std::size_t bytes) {
  const std::size_t wanted = std::max<std::size_t>(bytes, 1);
  if (void* memory = std::malloc(wanted)) return memory;
  if ((wanted <= small && used < arena_size / 2) || use_arena.exchange(true))
    if (void* memory = from_arena(wanted)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  if (!is_in_arena(memory)) std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
