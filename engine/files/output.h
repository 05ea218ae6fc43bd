// Output: where a program writes a result to when the user has named the place.
//
//   -, /dev/stdout             standard output
//   a device, a FIFO           is opened and written to; a FIFO without a reader is waited for
//   a link                     is followed
//   a regular file, or nothing replaced or made atomically (write_file_atomically); a replaced file keeps its permissions
//   a folder, a socket         an error
//
// What can be known beforehand is checked when the object is made, so that a program fails before it has computed: a folder
// to write into that is missing or read-only, a file that may not be written, an output that is one of the inputs.
#pragma once

#include <atomic>
#include <filesystem>
#include <span>
#include <string>

#include "engine/files/io.h"

namespace tessera {

class Output {
 public:
  // Errors have the exit code given here; an output that is an input is a UsageError.
  Output(const std::string& name, ExitCode on_error, std::span<const std::string> inputs = {});

  // Once. Interrupted where `stop` is set while a FIFO has no reader.
  void write(std::span<const ByteSpan> parts, const std::atomic<bool>* stop = nullptr) const;
  void write(ByteSpan bytes, const std::atomic<bool>* stop = nullptr) const { write(std::span(&bytes, 1), stop); }

  std::string name() const { return is_standard_output() ? "standard output" : shown(path_); }
  bool is_standard_output() const { return kind_ == Kind::standard_output; }

 private:
  enum class Kind { standard_output, stream, file };

  std::filesystem::path path_;  // links resolved
  ExitCode on_error_;
  Kind kind_ = Kind::file;
};

}  // namespace tessera
