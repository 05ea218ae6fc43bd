// One block of device memory cut into pieces: a stream's workspace can be borrowed once in a slot call, and a search has one
// block for all results.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "kernels/view.h"

namespace tessera::kernels::vendor {

class Partition {
 public:
  explicit Partition(void* block) : next_(static_cast<std::byte*>(block)) {}

  // The next piece, aligned as the block is, to 256 bytes.
  void* take(std::size_t bytes) {
    void* piece = next_;
    next_ += rounded(bytes);
    return piece;
  }
  View take_like(const View& view) { return {take(bytes_of(view)), view.dtype, view.dims}; }

  // What a block for these pieces must hold.
  static std::size_t bytes_for(std::initializer_list<std::size_t> pieces) {
    std::size_t sum = 0;
    for (std::size_t bytes : pieces) sum += rounded(bytes);
    return sum;
  }
  static std::size_t bytes_of(const View& view) { return static_cast<std::size_t>(view.count()) * size_of(view.dtype); }

 private:
  static std::size_t rounded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

  std::byte* next_;
};

}  // namespace tessera::kernels::vendor
