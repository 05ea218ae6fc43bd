#include "engine/files/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>

namespace tessera {
namespace {

namespace fs = std::filesystem;

// Where a chain of links ends, even if there is nothing yet.
fs::path resolved(fs::path path, ExitCode on_error) {
  constexpr int most_links = 40;  // as Linux
  const fs::path given = path;
  for (int i = 0; i < most_links; ++i) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    if (error) return path;  // no link
    path = target.is_absolute() ? target : path.parent_path() / target;
  }
  fail(on_error, given.string() + ": a chain of more than 40 links");
}

std::optional<struct stat> status_of(const fs::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

void require_writable(const fs::path& path, ExitCode on_error) {
  if (::access(path.c_str(), W_OK) != 0)
    fail(on_error, path.string() + ": cannot be written: " + std::generic_category().message(errno) +
                       "; give another place for the output");
}

// A FIFO opens for writing only once somebody reads.
File open_stream(const fs::path& path, ExitCode on_error, const std::atomic<bool>* stop) {
  const std::optional<struct stat> status = status_of(path);
  if (!status || !S_ISFIFO(status->st_mode)) return File(path, File::Mode::device, on_error);
  while (true) {
    const int probe = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (probe < 0 && errno == ENXIO) {
      if (stop && *stop) throw Interrupted("stopped while waiting for a reader of " + path.string());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    // Closed only when the second one is open: a reader whose last writer goes would see the end.
    const std::unique_ptr<const int, void (*)(const int*)> held(&probe, [](const int* d) { ::close(*d); });
    return File(path, File::Mode::device, on_error);
  }
}

}  // namespace

Output::Output(const std::string& name, ExitCode on_error, std::span<const std::string> inputs) : on_error_(on_error) {
  if (name == "-") {
    kind_ = Kind::standard_output;
    return;
  }
  // Before links are followed: those in /proc/self/fd, where /dev/stdout leads, name no path.
  std::optional<struct stat> status = status_of(name);
  struct stat standard = {};
  if (status && ::fstat(STDOUT_FILENO, &standard) == 0 && same_file(*status, standard)) {
    kind_ = Kind::standard_output;
    return;
  }
  const bool is_stream = status && !S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode);
  path_ = is_stream ? fs::path(name) : resolved(name, on_error);
  status = status_of(path_);
  if (!status) {
    const fs::path folder = path_.has_parent_path() ? path_.parent_path() : fs::path(".");
    std::error_code ignored;
    if (!path_.has_filename() || !fs::is_directory(folder, ignored))
      fail(on_error, name + ": " + folder.string() + " is no folder; make it, or give another place for the output");
    require_writable(folder, on_error);
    return;
  }
  if (S_ISDIR(status->st_mode)) fail(on_error, name + ": is a folder; give the name of a file in it");
  if (S_ISSOCK(status->st_mode)) fail(on_error, name + ": is a socket; give the name of a file");
  for (const std::string& input : inputs)
    if (const std::optional<struct stat> other = status_of(input); other && same_file(*other, *status))
      throw UsageError(name + ": is both input and output; give another name for the output");
  require_writable(path_, on_error);
  if (S_ISREG(status->st_mode))
    require_writable(path_.has_parent_path() ? path_.parent_path() : fs::path("."), on_error);
  else
    kind_ = Kind::stream;
}

void Output::write(std::span<const ByteSpan> parts, const std::atomic<bool>* stop) const {
  if (kind_ == Kind::file) return write_file_atomically(path_, parts, on_error_);
  std::fflush(stdout);
  File file = is_standard_output() ? File::standard_output(on_error_) : open_stream(path_, on_error_, stop);
  for (const ByteSpan part : parts) file.write(part);
  file.close();
}

}  // namespace tessera
