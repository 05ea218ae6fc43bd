// Reading whole files, and replacing files so that a crash at any moment leaves either the old one or the new one.
//
// What is read is a regular file: a folder, FIFO, socket or device is refused at once with what it is, and opening never
// waits for somebody at the other end. Where a stop flag is given, it is looked at between pieces of 16 MiB.
//
// A write goes to a temporary file in the same folder, is synced, renamed over the target, and the folder is synced. Every
// return value is checked, `close` included; interrupted (EINTR) and short reads and writes are carried on. A failed call
// throws the error class of the given exit code with the path, the call and the system's reason; the target is untouched.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/error.h"

namespace tessera {

using Bytes = std::vector<std::byte>;
using ByteSpan = std::span<const std::byte>;

inline ByteSpan bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view text_of(ByteSpan bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// The system calls that can fail, as a table that a test replaces to fail any one of them. Results and errno as in POSIX.
struct SystemCalls {
  constexpr SystemCalls() = default;
  SystemCalls(const SystemCalls&) = delete;
  SystemCalls& operator=(const SystemCalls&) = delete;

  virtual int open(const char* path, int flags, unsigned mode) const;
  virtual ssize_t read(int descriptor, void* to, std::size_t count) const;
  virtual ssize_t write(int descriptor, const void* from, std::size_t count) const;
  virtual int fsync(int descriptor) const;
  virtual int close(int descriptor) const;
  virtual int rename(const char* from, const char* to) const;
  virtual int exchange(const char* one, const char* other) const;  // of what both names stand for; ENOSYS: cannot be had
  virtual int mkdir(const char* path, unsigned mode) const;
  virtual int flock(int descriptor, int operation) const;
};
inline constexpr SystemCalls system_calls{};

// An open file, closed at the end of its scope. Errors have the exit code given here: what the file is to the user.
class File {
 public:
  // read: regular files only; folder: to sync it; create: must be new; append, lock: made where missing; device: what is
  // there, or a FIFO with a reader, to write to
  enum class Mode { read, folder, create, append, lock, device };

  File(const std::filesystem::path& path, Mode mode, ExitCode on_error, const SystemCalls& calls = system_calls);
  static File standard_output(ExitCode on_error, const SystemCalls& calls = system_calls);
  ~File();
  File(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  File& operator=(File&&) = delete;

  std::uint64_t size() const;
  // The end of the file before that is an error that gives the offset. Interrupted where `stop` is set before the end.
  void read_exactly(std::span<std::byte> to, const std::atomic<bool>* stop = nullptr);
  void write(ByteSpan from);
  void sync();
  void close();     // reports what the destructor cannot
  bool try_lock();  // exclusive, not waiting; false where another process has it
  int descriptor() const { return descriptor_; }

  const std::filesystem::path& path() const { return path_; }

 private:
  File(const std::filesystem::path& path, int descriptor, ExitCode on_error, const SystemCalls& calls)
      : path_(path), on_error_(on_error), calls_(&calls), descriptor_(descriptor) {}
  [[noreturn]] void fail_call(const char* call) const;

  std::filesystem::path path_;
  ExitCode on_error_;
  const SystemCalls* calls_;
  int descriptor_ = -1;
  std::uint64_t offset_ = 0;
};

// The whole file; one that is missing, not regular or larger than `limit` bytes is an error.
Bytes read_file(const std::filesystem::path& path, std::uint64_t limit, ExitCode on_error,
                const SystemCalls& calls = system_calls, const std::atomic<bool>* stop = nullptr);

// What is in a folder, sorted by name. A folder that cannot be listed is an error.
std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder, ExitCode on_error);

// The name of the temporary file or folder behind which `name` is written. It carries our mark, and whoever writes it holds
// a lock (flock) on it: what bears the mark and is not locked was left over by a crash.
inline constexpr std::string_view temporary_prefix = ".tessera-tmp-";
std::string temporary_name(std::string_view name);
// Removes what crashes left over in a folder, as far as that can be done; nothing of anybody else's.
void remove_left_over(const std::filesystem::path& folder);

// Replaces or makes `path`, holding the parts one after another.
void write_file_atomically(const std::filesystem::path& path, std::span<const ByteSpan> parts, ExitCode on_error,
                           const SystemCalls& calls = system_calls);
void write_file_atomically(const std::filesystem::path& path, ByteSpan bytes, ExitCode on_error,
                           const SystemCalls& calls = system_calls);

// No file of weights or checkpoint is larger than this: 8 GiB.
inline constexpr std::uint64_t largest_file = std::uint64_t{8} << 30;

// A path for messages: where it leads through an open folder (OpenFolder), the folder's present name.
std::string shown(const std::filesystem::path& path);

// A folder that was opened once. `path()` leads to it wherever it has been moved meanwhile, and never to another that has
// taken its name. (It goes through /proc/self/fd; where /proc is not mounted it is the name.)
class OpenFolder {
 public:
  OpenFolder(const std::filesystem::path& folder, ExitCode on_error, const SystemCalls& calls = system_calls);
  const std::filesystem::path& path() const { return path_; }

 private:
  File file_;
  std::filesystem::path path_;
};

// Steps of the same protocol, for who writes a whole folder.
void write_new_file(const std::filesystem::path& path, std::span<const ByteSpan> parts, ExitCode on_error,
                    const SystemCalls& calls);
void sync_folder(const std::filesystem::path& path, ExitCode on_error, const SystemCalls& calls);
void rename_path(const std::filesystem::path& from, const std::filesystem::path& to, ExitCode on_error,
                 const SystemCalls& calls);
// In one step, both names exist at any moment; false where the file system cannot do it.
bool exchange_paths(const std::filesystem::path& one, const std::filesystem::path& other, ExitCode on_error,
                    const SystemCalls& calls);
void make_folder(const std::filesystem::path& path, ExitCode on_error, const SystemCalls& calls);  // with its parents

}  // namespace tessera
