// What ThreadSanitizer is told, so that it becomes a race checker for kernels. Each CUDA thread is a context of its own, and
// changing over from one to the other orders nothing: only barriers do, each through objects that those who arrive release
// and those who leave acquire. So a report does not depend on the order in which threads happened to run.
//
// TESSERA_TSAN is defined (by CMake) for the emulator's own files, which are compiled without -fsanitize=thread: what the
// scheduler keeps for itself is none of ThreadSanitizer's business. Elsewhere nothing here does anything.
#pragma once

#include <cstddef>

#if defined(TESSERA_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" {
void __tsan_read_range_pc(void* address, unsigned long bytes, void* pc);
void __tsan_write_range_pc(void* address, unsigned long bytes, void* pc);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
}
#endif

namespace tessera::kernels::emulated::race {

#if defined(TESSERA_TSAN)

inline constexpr bool checked = true;

inline void release(char& object) { __tsan_release(&object); }
inline void acquire(char& object) { __tsan_acquire(&object); }
// The thread that runs now reads or writes these bytes, at `pc` in the kernel.
inline void note_read(const void* address, std::size_t bytes, const void* pc) {
  __tsan_read_range_pc(const_cast<void*>(address), bytes, const_cast<void*>(pc));
}
inline void note_write(void* address, std::size_t bytes, const void* pc) {
  __tsan_write_range_pc(address, bytes, const_cast<void*>(pc));
}

// Within its scope, accesses and locks of the emulator itself go unseen: a lock must not order CUDA threads.
class Unseen {
 public:
  Unseen() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  }
  ~Unseen() {
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
};

#else

inline constexpr bool checked = false;

inline void release(char&) {}
inline void acquire(char&) {}
inline void note_read(const void*, std::size_t, const void*) {}
inline void note_write(void*, std::size_t, const void*) {}
struct Unseen {
  Unseen() {}  // user-provided: an object of this type counts as used
};

#endif

}  // namespace tessera::kernels::emulated::race
