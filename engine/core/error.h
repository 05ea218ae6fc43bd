// What can go wrong, and the exit code each kind has in every program. A message says what happened, where (file, offset,
// layer path, shapes) and what to do, in one or two lines. Failures of devices and their memory come from
// kernels/errors.h; the programs give those exit code 5.
#pragma once

#include <stdexcept>
#include <string>

#include "engine/core/foreign_text.h"

namespace tessera {

enum class ExitCode : int { success = 0, failure = 1, usage = 2, data = 3, weights = 4, device = 5, non_finite = 6 };

class Error : public std::runtime_error {
 public:
  Error(ExitCode exit_code, const std::string& message) : std::runtime_error(message), code(exit_code) {}
  ExitCode code;
};

// The command line (or a call of the library) asks for something that does not exist.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(ExitCode::usage, message) {}
};

// A data file or photo is missing or broken.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(ExitCode::data, message) {}
};

// A file of weights, a checkpoint or a run folder is missing, broken, of another network, locked, or cannot be written.
class WeightsError : public Error {
 public:
  explicit WeightsError(const std::string& message) : Error(ExitCode::weights, message) {}
};

// A loss, gradient, parameter or moment is NaN or infinite.
class NonFiniteError : public Error {
 public:
  explicit NonFiniteError(const std::string& message) : Error(ExitCode::non_finite, message) {}
};

// Operands do not fit each other: a mistake in a network or a program.
class ShapeError : public Error {
 public:
  explicit ShapeError(const std::string& message) : Error(ExitCode::failure, message) {}
};

// A stop flag was seen while loading or computing. Not a failure: the program exits as its signal says (130, 143).
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(const std::string& what) : std::runtime_error(what) {}
};

// For code that serves several kinds of file: throws the class that belongs to the code.
[[noreturn]] inline void fail(ExitCode code, const std::string& message) {
  switch (code) {
    case ExitCode::usage: throw UsageError(message);
    case ExitCode::data: throw DataError(message);
    case ExitCode::weights: throw WeightsError(message);
    case ExitCode::non_finite: throw NonFiniteError(message);
    default: throw Error(code, message);
  }
}

}  // namespace tessera
