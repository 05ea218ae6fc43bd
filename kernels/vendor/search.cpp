#include "kernels/vendor/search.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <limits>

#include "kernels/errors.h"

namespace tessera::kernels::vendor {
namespace {

void check(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw DeviceError(std::string("cuda: ") + what + " failed: " + cudaGetErrorString(error));
}

class Timer {
 public:
  explicit Timer(Stream& stream) : stream_(static_cast<cudaStream_t>(stream.native)) {
    check(cudaEventCreate(&begin_), "creating an event");
    if (const cudaError_t error = cudaEventCreate(&end_); error != cudaSuccess) {
      (void)cudaEventDestroy(begin_);
      check(error, "creating an event");
    }
  }
  ~Timer() {
    (void)cudaEventDestroy(begin_);
    (void)cudaEventDestroy(end_);
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  float milliseconds(const std::function<void()>& run, int times) {
    check(cudaEventRecord(begin_, stream_), "timing");
    for (int i = 0; i < times; ++i) run();
    check(cudaEventRecord(end_, stream_), "timing");
    check(cudaEventSynchronize(end_), "timing");
    float elapsed = 0;
    check(cudaEventElapsedTime(&elapsed, begin_, end_), "timing");
    return elapsed;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

}  // namespace

Scratch::~Scratch() {
  try {
    runtime_.release(device_, data_);
  } catch (const DeviceError&) {  // a device that is lost: the call that lost it says so
  }
}

std::size_t fastest(Stream& stream, const std::vector<Way>& ways) {
  constexpr float never = std::numeric_limits<float>::infinity();
  constexpr int rounds = 3, times = 3;
  Timer timer(stream);
  std::vector<float> best(ways.size(), 0.0f);
  std::string failure;
  for (int round = -1; round < rounds; ++round)
    for (std::size_t i = 0; i < ways.size(); ++i) {
      if (best[i] == never) continue;
      try {
        const float elapsed = timer.milliseconds(ways[i].run, round < 0 ? 1 : times);
        if (round >= 0) best[i] = round == 0 ? elapsed : std::min(best[i], elapsed);
      } catch (const DeviceError& error) {
        failure = error.what();
        best[i] = never;
      }
    }
  const auto winner = std::ranges::min_element(best);
  if (winner == best.end() || *winner == never)
    throw DeviceError("no way to compute this works" + (failure.empty() ? "" : ": " + failure));
  return static_cast<std::size_t>(winner - best.begin());
}

}  // namespace tessera::kernels::vendor
