// A library that is loaded before a program (LD_PRELOAD) and records whatever it changes in the file system, with the bytes.
//
//   TESSERA_RECORD=FILE    records are appended to it: six numbers of 64 bits (operation, two inodes, an offset, sizes of the
//                          name and of the data), then name and data; see tests/faults/disk.h
//   TESSERA_NO_SYNC=1      fsync is not recorded: as if the program had none
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <mutex>
#include <string>

#include "tests/faults/operations.h"
#include "tests/faults/preload/open.h"

using tessera::tests::Operation;

namespace {

// A library of this kind has no other place for its state than this.
struct State {
  std::mutex mutex;
  int log = -1;
  bool syncs = true;
};
State& state() {
  static State one;
  return one;
}

__attribute__((constructor)) void set_up() {
  const char* file = getenv("TESSERA_RECORD");
  if (!file) return;
  State& s = state();
  s.log = static_cast<int>(syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  s.syncs = getenv("TESSERA_NO_SYNC") == nullptr;
}

void record(Operation operation, uint64_t first, uint64_t second, uint64_t offset, const std::string& name = {},
            const void* data = nullptr, size_t size = 0) {
  if (state().log < 0) return;
  uint64_t numbers[6] = {static_cast<uint64_t>(operation), first, second, offset, name.size(), size};
  const iovec parts[] = {
      {numbers, sizeof numbers}, {const_cast<char*>(name.data()), name.size()}, {const_cast<void*>(data), size}};
  const auto whole = static_cast<ssize_t>(sizeof numbers + name.size() + size);
  if (syscall(SYS_writev, state().log, parts, 3) != whole) _exit(99);
}

struct Place {
  uint64_t folder;  // its inode
  std::string name;
};
Place place_of(int at, const char* path) {
  std::string text = path;
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  const size_t slash = text.rfind('/');
  const std::string folder = slash == text.npos ? "." : slash == 0 ? "/" : text.substr(0, slash);
  struct stat status = {};
  fstatat(at, folder.c_str(), &status, 0);
  return {status.st_ino, slash == text.npos ? text : text.substr(slash + 1)};
}

uint64_t inode_of(int descriptor) {
  struct stat status = {};
  return fstat(descriptor, &status) == 0 ? status.st_ino : 0;
}

int open_at(int folder, const char* path, int flags, mode_t mode) {
  const std::lock_guard lock(state().mutex);
  struct stat status = {};
  const bool makes = (flags & O_CREAT) != 0 && fstatat(folder, path, &status, 0) != 0;
  const int descriptor = static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
  if (descriptor >= 0 && makes) {
    const Place place = place_of(folder, path);
    record(Operation::create, place.folder, inode_of(descriptor), 0, place.name);
  }
  return descriptor;
}

template <class Call>
int removed(int folder, const char* path, const Call& call) {
  const std::lock_guard lock(state().mutex);
  const Place place = place_of(folder, path);
  const int result = call();
  if (result == 0) record(Operation::remove, place.folder, 0, 0, place.name);
  return result;
}
int remove_at(int folder, const char* path, int flags) {
  return removed(folder, path, [&] { return static_cast<int>(syscall(SYS_unlinkat, folder, path, flags)); });
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* from, size_t count) {
  const std::lock_guard lock(state().mutex);
  struct stat status = {};
  const bool regular = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  const bool appends = regular && (fcntl(descriptor, F_GETFL) & O_APPEND) != 0;
  const off_t offset = !regular ? 0 : appends ? status.st_size : lseek(descriptor, 0, SEEK_CUR);
  const ssize_t put = syscall(SYS_write, descriptor, from, count);
  if (regular && put > 0)
    record(Operation::write, status.st_ino, 0, static_cast<uint64_t>(offset), {}, from, static_cast<size_t>(put));
  return put;
}
int fsync(int descriptor) {
  const std::lock_guard lock(state().mutex);
  if (state().syncs) record(Operation::sync, inode_of(descriptor), 0, 0);
  return 0;  // the disk that counts is the recorded one
}
int rename(const char* from, const char* to) {
  const std::lock_guard lock(state().mutex);
  const Place a = place_of(AT_FDCWD, from), b = place_of(AT_FDCWD, to);
  const int result = static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
  if (result == 0) record(Operation::rename, a.folder, b.folder, 0, a.name + "/" + b.name);
  return result;
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  const std::lock_guard lock(state().mutex);
  const Place a = place_of(from_folder, from), b = place_of(to_folder, to);
  const int result = static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
  if (result == 0)
    record((flags & RENAME_EXCHANGE) != 0 ? Operation::exchange : Operation::rename, a.folder, b.folder, 0,
           a.name + "/" + b.name);
  return result;
}
int mkdir(const char* path, mode_t mode) {
  const std::lock_guard lock(state().mutex);
  const int result = static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
  struct stat status = {};
  if (result == 0 && stat(path, &status) == 0) {
    const Place place = place_of(AT_FDCWD, path);
    record(Operation::make_folder, place.folder, status.st_ino, 0, place.name);
  }
  return result;
}
int unlink(const char* path) { return remove_at(AT_FDCWD, path, 0); }
int rmdir(const char* path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char* path, int flags) { return remove_at(folder, path, flags); }
int remove(const char* path) {
  return removed(AT_FDCWD, path, [&] {
    int result = static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
    if (result != 0 && (errno == EISDIR || errno == EPERM))
      result = static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
    return result;
  });
}
}
