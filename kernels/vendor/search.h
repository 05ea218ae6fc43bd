// The timed search: which of several ways to compute the same thing is the fastest here and now.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/stream.h"

namespace tessera::kernels::vendor {

// One way: issues its work to the stream. Its results go to scratch memory: it runs many times.
struct Way {
  std::string name;
  std::function<void()> run;
};

// Index of the fastest. Each way runs once to load its kernels, then three times in each of three rounds, all ways in turn;
// the best round counts. A way that fails is left out; throws DeviceError where all fail. Waits for the stream.
std::size_t fastest(Stream& stream, const std::vector<Way>& ways);

// Device memory for the length of a search.
class Scratch {
 public:
  Scratch(const Runtime& runtime, int device, std::size_t bytes)
      : runtime_(runtime), device_(device), data_(runtime.allocate(device, bytes)) {}
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* data() const { return data_; }

 private:
  const Runtime& runtime_;
  int device_;
  void* data_;
};

}  // namespace tessera::kernels::vendor
