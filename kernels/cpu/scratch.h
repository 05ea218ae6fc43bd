// Pieces of the stream's workspace: one borrow per slot call, carved in order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/stream.h"

namespace tessera::kernels::cpu {

// Floats rounded up to whole cache lines (16), so that no two pieces share one.
constexpr std::int64_t whole_lines(std::int64_t floats) { return (floats + 15) / 16 * 16; }

// take() must be called for no more floats (each rounded by whole_lines) than were borrowed.
class Scratch {
 public:
  Scratch(Stream& stream, std::int64_t floats)
      : next_(static_cast<float*>(stream.workspace.borrow(static_cast<std::size_t>(floats) * sizeof(float)))) {}

  explicit Scratch(float* piece) : next_(piece) {}  // of a piece taken from another

  float* take(std::int64_t floats) {
    float* piece = next_;
    next_ += whole_lines(floats);
    return piece;
  }

 private:
  float* next_;
};

}  // namespace tessera::kernels::cpu
