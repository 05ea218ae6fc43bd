#include "engine/files/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "engine/files/address.h"
#include "engine/files/remove.h"

namespace tessera {

int SystemCalls::open(const char* path, int flags, unsigned mode) const { return ::open(path, flags, mode); }
ssize_t SystemCalls::read(int descriptor, void* to, std::size_t count) const { return ::read(descriptor, to, count); }
ssize_t SystemCalls::write(int descriptor, const void* from, std::size_t count) const {
  return ::write(descriptor, from, count);
}
int SystemCalls::fsync(int descriptor) const { return ::fsync(descriptor); }
int SystemCalls::close(int descriptor) const { return ::close(descriptor); }
int SystemCalls::rename(const char* from, const char* to) const { return std::rename(from, to); }
int SystemCalls::exchange(const char* one, const char* other) const {
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
#else
  (void)one, (void)other;
  return errno = ENOSYS, -1;
#endif
}
int SystemCalls::mkdir(const char* path, unsigned mode) const { return ::mkdir(path, mode); }
int SystemCalls::flock(int descriptor, int operation) const { return ::flock(descriptor, operation); }

namespace {

// A call that a signal interrupted did nothing: it is made again.
template <class Call>
auto uninterrupted(const Call& call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

constexpr std::string_view open_folders = "/proc/self/fd/";

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail_path(const char* call, const std::filesystem::path& path, int error, ExitCode on_error) {
  std::string advice;
  if (error == ENOSPC || error == EDQUOT) advice = "; free some space and try again";
  if (error == ENOENT) advice = advice_on_address(path);
  if (error == EACCES || error == EPERM || error == EROFS) advice = "; check the permissions";
  fail(on_error, shown(path) + ": " + call + " failed: " + reason(error) + advice);
}

int flags_of(File::Mode mode) {
  switch (mode) {
    case File::Mode::read: return O_RDONLY;
    case File::Mode::folder: return O_RDONLY | O_DIRECTORY;
    case File::Mode::create: return O_WRONLY | O_CREAT | O_EXCL;
    case File::Mode::append: return O_WRONLY | O_CREAT | O_APPEND;
    case File::Mode::lock: return O_RDWR | O_CREAT;
    case File::Mode::device: return O_WRONLY;
  }
  return O_RDONLY;
}

// What stands where a regular file should: null where it is one.
const char* not_a_file(mode_t mode) {
  if (S_ISREG(mode)) return nullptr;
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

void require_regular(const std::filesystem::path& path, const struct stat& status, ExitCode on_error) {
  if (const char* what = not_a_file(status.st_mode))
    fail(on_error, shown(path) + ": is " + what + "; a file is needed here");
}

// What a clone without Git LFS has in place of a large file: a few lines of text that say which.
void require_own_bytes(const std::filesystem::path& path, int descriptor, ExitCode on_error) {
  constexpr std::string_view mark = "version https://git-lfs.github.com/spec/";
  char first[mark.size()] = {};
  if (::pread(descriptor, first, sizeof first, 0) == sizeof first && std::string_view(first, sizeof first) == mark)
    fail(on_error, shown(path) + ": stands for a file that Git LFS keeps elsewhere; fetch that with git lfs pull");
}

// Linux moves at most 2^31 - 4096 bytes a call; pieces of 1 GiB stay below that.
constexpr std::size_t largest_piece = std::size_t{1} << 30;
constexpr std::size_t interruptible_piece = std::size_t{16} << 20;

}  // namespace

File::File(const std::filesystem::path& path, Mode mode, ExitCode on_error, const SystemCalls& calls)
    : path_(path), on_error_(on_error), calls_(&calls) {
  // Looked at before it is opened, since opening alone does something to a device or to who waits at a FIFO; and after,
  // since another may have come to its place. O_NONBLOCK: an open that waited for the other end of a FIFO could not be
  // stopped. It changes nothing for regular files.
  struct stat status = {};
  if (mode == Mode::read && ::stat(path.c_str(), &status) == 0) require_regular(path, status, on_error);
  descriptor_ = uninterrupted([&] { return calls.open(path.c_str(), flags_of(mode) | O_CLOEXEC | O_NONBLOCK, 0666); });
  if (descriptor_ < 0) fail_call("open");
  try {
    if (mode != Mode::read && mode != Mode::device) return;
    if (::fstat(descriptor_, &status) != 0) fail_call("fstat");
    if (mode == Mode::read) require_regular(path, status, on_error);
    if (mode == Mode::read) require_own_bytes(path, descriptor_, on_error);
    if (mode == Mode::device && ::fcntl(descriptor_, F_SETFL, O_WRONLY) != 0) fail_call("fcntl");  // writing may wait
  } catch (...) {
    calls.close(descriptor_);
    throw;
  }
}

File File::standard_output(ExitCode on_error, const SystemCalls& calls) {
  const int descriptor = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (descriptor < 0) fail_path("open", "standard output", errno, on_error);
  return File("standard output", descriptor, on_error, calls);
}

File::File(File&& other) noexcept
    : path_(std::move(other.path_)),
      on_error_(other.on_error_),
      calls_(other.calls_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      offset_(other.offset_) {}

File::~File() {
  if (descriptor_ >= 0) calls_->close(descriptor_);
}

void File::fail_call(const char* call) const { fail_path(call, path_, errno, on_error_); }

std::uint64_t File::size() const {
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0) fail_call("fstat");
  return static_cast<std::uint64_t>(status.st_size);
}

void File::read_exactly(std::span<std::byte> to, const std::atomic<bool>* stop) {
  const std::size_t piece = stop ? interruptible_piece : largest_piece;
  while (!to.empty()) {
    if (stop && *stop) throw Interrupted("stopped while reading " + shown(path_));
    const ssize_t got = uninterrupted([&] { return calls_->read(descriptor_, to.data(), std::min(to.size(), piece)); });
    if (got < 0) fail_call("read");
    if (got == 0)
      fail(on_error_, shown(path_) + ": ends at byte " + std::to_string(offset_) + ", " + std::to_string(to.size()) +
                          " bytes too early; it was cut or is being changed");
    offset_ += static_cast<std::uint64_t>(got);
    to = to.subspan(static_cast<std::size_t>(got));
  }
}

void File::write(ByteSpan from) {
  while (!from.empty()) {
    const ssize_t put =
        uninterrupted([&] { return calls_->write(descriptor_, from.data(), std::min(from.size(), largest_piece)); });
    if (put == 0) errno = EIO;  // POSIX leaves no reason for this; trying again could go on for ever
    if (put <= 0) fail_call("write");
    offset_ += static_cast<std::uint64_t>(put);
    from = from.subspan(static_cast<std::size_t>(put));
  }
}

void File::sync() {
  // Only EINTR is tried again: after another failure Linux forgets the dirty pages, and a second fsync would lie.
  if (uninterrupted([&] { return calls_->fsync(descriptor_); }) != 0) fail_call("fsync");
}

void File::close() {
  // Linux frees the descriptor even when close is interrupted, so that is no failure and nothing to repeat.
  if (calls_->close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail_call("close");
}

bool File::try_lock() {
  if (uninterrupted([&] { return calls_->flock(descriptor_, LOCK_EX | LOCK_NB); }) == 0) return true;
  if (errno != EWOULDBLOCK) fail_call("flock");
  return false;
}

Bytes read_file(const std::filesystem::path& path, std::uint64_t limit, ExitCode on_error, const SystemCalls& calls,
                const std::atomic<bool>* stop) {
  File file(path, File::Mode::read, on_error, calls);
  const std::uint64_t size = file.size();
  if (size > limit)
    fail(on_error, shown(path) + ": has " + std::to_string(size) + " bytes, more than the " + std::to_string(limit) +
                       " such a file may have");
  Bytes bytes(static_cast<std::size_t>(size));
  file.read_exactly(bytes, stop);
  return bytes;
}

std::string shown(const std::filesystem::path& path) {
  const std::string text = path.string();
  if (!text.starts_with(open_folders)) return text;
  const std::size_t end = std::min(text.find('/', open_folders.size()), text.size());
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::read_symlink(text.substr(0, end), error);
  return error ? text : folder.string() + text.substr(end);
}

OpenFolder::OpenFolder(const std::filesystem::path& folder, ExitCode on_error, const SystemCalls& calls)
    : file_(folder, File::Mode::folder, on_error, calls), path_(open_folders) {
  path_ += std::to_string(file_.descriptor());
  std::error_code ignored;
  if (!std::filesystem::is_directory(path_, ignored)) path_ = folder;
}

std::string temporary_name(std::string_view name) {
  constexpr std::size_t longest = 100;  // so that the whole stays below what file systems allow
  return std::string(temporary_prefix) + std::string(name.substr(0, longest)) + "-" + std::to_string(::getpid());
}

// Not std::filesystem's iterators: theirs take memory in functions that are noexcept, and end the process where there is
// none.
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder, ExitCode on_error) {
  DIR* opened = ::opendir(folder.c_str());
  while (!opened && errno == EINTR) opened = ::opendir(folder.c_str());
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opened, ::closedir);
  std::vector<std::filesystem::path> entries;
  int error = open ? 0 : errno;
  while (open) {
    errno = 0;
    const dirent* entry = ::readdir(open.get());
    if (!entry) {
      error = errno;
      break;
    }
    if (const std::string_view name = entry->d_name; name != "." && name != "..") entries.push_back(folder / name);
  }
  if (error == ENOMEM) throw std::bad_alloc();
  if (error != 0) fail(on_error, shown(folder) + ": cannot be listed: " + reason(error));
  std::sort(entries.begin(), entries.end());
  return entries;
}

void remove_left_over(const std::filesystem::path& folder) {
  for (const std::filesystem::path& path : list_folder(folder, ExitCode::weights)) {
    if (!path.filename().string().starts_with(temporary_prefix)) continue;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) continue;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) remove_quietly(path);
    ::close(descriptor);
  }
}

void write_new_file(const std::filesystem::path& path, std::span<const ByteSpan> parts, ExitCode on_error,
                    const SystemCalls& calls) {
  File file(path, File::Mode::create, on_error, calls);
  ::flock(file.descriptor(), LOCK_EX | LOCK_NB);  // see remove_left_over; a file system without locks has no such help
  for (const ByteSpan part : parts) file.write(part);
  file.sync();
  file.close();
}

void sync_folder(const std::filesystem::path& path, ExitCode on_error, const SystemCalls& calls) {
  File folder(path, File::Mode::folder, on_error, calls);
  folder.sync();
  folder.close();
}

void rename_path(const std::filesystem::path& from, const std::filesystem::path& to, ExitCode on_error,
                 const SystemCalls& calls) {
  if (uninterrupted([&] { return calls.rename(from.c_str(), to.c_str()); }) != 0) fail_path("rename", to, errno, on_error);
}

bool exchange_paths(const std::filesystem::path& one, const std::filesystem::path& other, ExitCode on_error,
                    const SystemCalls& calls) {
  if (uninterrupted([&] { return calls.exchange(one.c_str(), other.c_str()); }) == 0) return true;
  if (errno == ENOSYS || errno == EINVAL || errno == ENOTSUP) return false;
  fail_path("rename", other, errno, on_error);
}

void make_folder(const std::filesystem::path& path, ExitCode on_error, const SystemCalls& calls) {
  std::error_code ignored;
  if (path.empty() || std::filesystem::is_directory(path, ignored)) return;
  make_folder(path.parent_path(), on_error, calls);
  const int made = uninterrupted([&] { return calls.mkdir(path.c_str(), 0777); });
  if (made == 0) {
    sync_folder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."), on_error, calls);
    return;
  }
  const int error = errno;  // is_directory below changes it
  if (error == EEXIST && std::filesystem::is_directory(path, ignored)) return;
  fail_path(error == EEXIST || error == ENOTDIR ? "there is a file where a folder is needed; mkdir" : "mkdir", path, error,
            on_error);
}

void write_file_atomically(const std::filesystem::path& path, std::span<const ByteSpan> parts, ExitCode on_error,
                           const SystemCalls& calls) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const std::filesystem::path temporary = folder / temporary_name(path.filename().string());
  std::error_code ignored;
  remove_quietly(temporary);  // of a dead process that had our number
  try {
    write_new_file(temporary, parts, on_error, calls);
    if (const auto old = std::filesystem::status(path, ignored); std::filesystem::is_regular_file(old))
      std::filesystem::permissions(temporary, old.permissions(), ignored);  // what was private stays so
    rename_path(temporary, path, on_error, calls);
  } catch (...) {
    remove_quietly(temporary);
    throw;
  }
  sync_folder(folder, on_error, calls);
}

void write_file_atomically(const std::filesystem::path& path, ByteSpan bytes, ExitCode on_error, const SystemCalls& calls) {
  write_file_atomically(path, std::span(&bytes, 1), on_error, calls);
}

}  // namespace tessera
