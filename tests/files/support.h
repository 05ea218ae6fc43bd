// What the tests of files share: temporary folders, a system-call table that fails on request, small contents.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/files/io.h"
#include "tests/temporary_folder.h"

namespace tessera::test {

namespace fs = std::filesystem;

using tests::TemporaryFolder;

// Plain, not durable: what the code under test is compared with.
inline void put(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

inline std::string get(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline Bytes to_bytes(const std::string& text) {
  const ByteSpan span = bytes_of(text);
  return {span.begin(), span.end()};
}

// The message of the error of type E that `action` throws; empty where it throws none.
template <class E, class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const E& e) {
    return e.what();
  }
  return "";
}

inline bool has_temporaries(const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().filename().string().starts_with(temporary_prefix)) return true;
  return false;
}

inline int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

enum class Fault { no_space, input_output, interrupted, short_transfer };

// As usual, but without waiting for the disk: the tests cut no power, and sync many thousand times.
struct UnsyncedCalls : SystemCalls {
  int fsync(int) const override { return 0; }
};

// Notes what is done to which file, in order: "write weights", "fsync weights", "rename a b", …
struct RecordingCalls : SystemCalls {
  int open(const char* path, int flags, unsigned mode) const override {
    const int descriptor = SystemCalls::open(path, flags, mode);
    names[descriptor] = fs::path(path).filename().string();
    return descriptor;
  }
  ssize_t write(int descriptor, const void* from, std::size_t count) const override {
    log.push_back("write " + names[descriptor]);
    return SystemCalls::write(descriptor, from, count);
  }
  int fsync(int descriptor) const override {
    log.push_back("fsync " + names[descriptor]);
    return SystemCalls::fsync(descriptor);
  }
  int rename(const char* from, const char* to) const override {
    log.push_back("rename " + fs::path(from).filename().string() + " " + fs::path(to).filename().string());
    return SystemCalls::rename(from, to);
  }
  int mkdir(const char* path, unsigned mode) const override {
    log.push_back("mkdir " + fs::path(path).filename().string());
    return SystemCalls::mkdir(path, mode);
  }
  mutable std::map<int, std::string> names;
  mutable std::vector<std::string> log;
};

// Counts the calls, and lets the k-th one of a kind fail (once); call 0 is the first. Does not wait for the disk.
struct FaultyCalls : SystemCalls {
  struct State {
    int seen = 0;
    bool fired = false;
  };
  FaultyCalls(std::string call, int k, Fault fault) : call_(std::move(call)), k_(k), fault_(fault) {}

  int open(const char* path, int flags, unsigned mode) const override {
    return fails("open") ? -1 : SystemCalls::open(path, flags, mode);
  }
  ssize_t read(int descriptor, void* to, std::size_t count) const override {
    if (!fails("read", count)) return SystemCalls::read(descriptor, to, count);
    return fault_ == Fault::short_transfer ? SystemCalls::read(descriptor, to, (count + 1) / 2) : -1;
  }
  ssize_t write(int descriptor, const void* from, std::size_t count) const override {
    if (!fails("write", count)) return SystemCalls::write(descriptor, from, count);
    return fault_ == Fault::short_transfer ? SystemCalls::write(descriptor, from, (count + 1) / 2) : -1;
  }
  int fsync(int) const override { return fails("fsync") ? -1 : 0; }
  int close(int descriptor) const override {
    const int result = SystemCalls::close(descriptor);  // Linux frees the descriptor whatever it then reports
    return fails("close") ? -1 : result;
  }
  int rename(const char* from, const char* to) const override {
    return fails("rename") ? -1 : SystemCalls::rename(from, to);
  }
  int exchange(const char* one, const char* other) const override {
    return fails("rename") ? -1 : SystemCalls::exchange(one, other);
  }
  int mkdir(const char* path, unsigned mode) const override { return fails("mkdir") ? -1 : SystemCalls::mkdir(path, mode); }
  int flock(int descriptor, int operation) const override {
    return fails("flock") ? -1 : SystemCalls::flock(descriptor, operation);
  }

  bool fired() const { return state_.fired; }
  int seen() const { return state_.seen; }

 private:
  bool fails(const char* call, std::size_t count = 0) const {
    if (call_ != call || state_.seen++ != k_) return false;
    if (fault_ == Fault::short_transfer && count < 2) return false;  // only transfers can be short
    state_.fired = true;
    errno = fault_ == Fault::no_space ? ENOSPC : fault_ == Fault::input_output ? EIO : EINTR;
    return true;
  }

  std::string call_;
  int k_;
  Fault fault_;
  mutable State state_;
};

}  // namespace tessera::test
