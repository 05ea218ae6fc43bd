// A library that is loaded before a program (LD_PRELOAD) and lets one of its calls fail.
//
//   TESSERA_FAULT=CALL:K[+]:WHAT   the K-th (from 0) call of CALL; with +, that one and all after it
//       CALL  allocate, open, read, write, fsync, close, rename, mkdir, remove, mmap, thread
//       WHAT  an errno by number; `short`: a read or write that moves half; `kill`: the process ends there, by SIGKILL;
//             `tear`: it ends there after half of a write
//   TESSERA_FAULT_REPORT=FILE      16 bytes, mapped: how many calls there were, how many failed; right even after a crash
//
// Allocations are those of the program and the libraries that it calls. Not those of the dynamic linker, which
// ends the process by itself where it gets no memory, whatever the program does.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "tests/faults/preload/open.h"

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

struct Report {
  std::atomic<uint64_t> seen, failed;
};

struct Range {
  uintptr_t first, end;
};

// Plain memory: it is used before constructors run, and while nothing can be allocated.
char call_name[16];
uint64_t which;
bool all_after, half, deadly, tears;
int error_number;
Report own_report;
Report* report = &own_report;
Range excluded[8];
int excluded_count;
std::atomic<bool> ready;

int note_excluded(dl_phdr_info* info, size_t, void*) {
  if (!strstr(info->dlpi_name, "ld-linux")) return 0;
  for (int i = 0; i < info->dlpi_phnum && excluded_count < 8; ++i)
    if (info->dlpi_phdr[i].p_type == PT_LOAD) {
      const uintptr_t first = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
      excluded[excluded_count++] = {first, first + info->dlpi_phdr[i].p_memsz};
    }
  return 0;
}

__attribute__((constructor)) void set_up() {
  const char* fault = getenv("TESSERA_FAULT");
  if (!fault) return;
  const char* colon = strchr(fault, ':');
  if (!colon || static_cast<size_t>(colon - fault) >= sizeof call_name) _exit(99);
  memcpy(call_name, fault, static_cast<size_t>(colon - fault));
  char* end = nullptr;
  which = strtoull(colon + 1, &end, 10);
  all_after = *end == '+';
  const char* what = strchr(end, ':');
  if (!what) _exit(99);
  half = strcmp(what + 1, "short") == 0;
  deadly = strcmp(what + 1, "kill") == 0;
  tears = strcmp(what + 1, "tear") == 0;
  error_number = atoi(what + 1);
  if (const char* file = getenv("TESSERA_FAULT_REPORT")) {
    const int descriptor = static_cast<int>(syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CREAT, 0600));
    if (syscall(SYS_ftruncate, descriptor, sizeof(Report)) != 0) _exit(99);
    void* memory = reinterpret_cast<void*>(
        syscall(SYS_mmap, nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0));
    if (memory == MAP_FAILED) _exit(99);
    report = static_cast<Report*>(memory);
    syscall(SYS_close, descriptor);
  }
  dl_iterate_phdr(note_excluded, nullptr);
  ready = true;
}

bool is_excluded(const void* caller) {
  const auto address = reinterpret_cast<uintptr_t>(caller);
  for (int i = 0; i < excluded_count; ++i)
    if (address >= excluded[i].first && address < excluded[i].end) return true;
  return false;
}

// Is this the call that fails? `count`: bytes to move, 0 where it moves none.
bool fails(const char* name, size_t count = 0) {
  if (!ready || strcmp(call_name, name) != 0) return false;
  const uint64_t now = report->seen++;
  if (all_after ? now < which : now != which) return false;
  if (half && count < 2) return false;
  ++report->failed;
  if (deadly) syscall(SYS_kill, getpid(), SIGKILL);
  errno = error_number;
  return true;
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

bool allocation_fails(const void* caller) { return !is_excluded(caller) && fails("allocate"); }

int open_at(int folder, const char* path, int flags, mode_t mode) {
  if (fails("open")) return -1;
  return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}

}  // namespace

extern "C" {

void* malloc(size_t bytes) {
  if (allocation_fails(__builtin_return_address(0))) return nullptr;
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  if (allocation_fails(__builtin_return_address(0))) return nullptr;
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, size_t bytes) {
  if (allocation_fails(__builtin_return_address(0))) return nullptr;
  return __libc_realloc(memory, bytes);
}
int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  if (allocation_fails(__builtin_return_address(0))) return ENOMEM;
  *memory = __libc_memalign(alignment, bytes);
  return *memory ? 0 : ENOMEM;
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  if (allocation_fails(__builtin_return_address(0))) return nullptr;
  return __libc_memalign(alignment, bytes);
}

ssize_t read(int descriptor, void* to, size_t count) {
  if (fails("read", count)) {
    if (!half) return -1;
    count /= 2;
  }
  return syscall(SYS_read, descriptor, to, count);
}
ssize_t write(int descriptor, const void* from, size_t count) {
  if (fails("write", count)) {
    if (!half && !tears) return -1;
    count /= 2;
    if (tears) {
      syscall(SYS_write, descriptor, from, count);
      syscall(SYS_kill, getpid(), SIGKILL);
    }
  }
  return syscall(SYS_write, descriptor, from, count);
}
int fsync(int) { return fails("fsync") ? -1 : 0; }  // the tests cut no power, and need not wait for the disk
int close(int descriptor) {
  const int result = static_cast<int>(syscall(SYS_close, descriptor));  // Linux closes it whatever it then reports
  return fails("close") ? -1 : result;
}
int rename(const char* from, const char* to) {
  return fails("rename") ? -1 : static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  return fails("rename") ? -1 : static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}
int mkdir(const char* path, mode_t mode) {
  return fails("mkdir") ? -1 : static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
static int remove_at(int folder, const char* path, int flags) {
  return fails("remove") ? -1 : static_cast<int>(syscall(SYS_unlinkat, folder, path, flags));
}
int unlink(const char* path) { return remove_at(AT_FDCWD, path, 0); }
int rmdir(const char* path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char* path, int flags) { return remove_at(folder, path, flags); }
int remove(const char* path) {
  if (fails("remove")) return -1;
  const int removed = static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
  const bool is_folder = removed != 0 && (errno == EISDIR || errno == EPERM);
  return is_folder ? static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR)) : removed;
}
void* mmap(void* address, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
  if (fails("mmap")) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset));
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
  if (fails("thread")) return error_number;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  return next<Create>("pthread_create")(thread, attributes, body, argument);
}
}
