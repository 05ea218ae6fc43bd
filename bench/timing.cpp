#include "bench/timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

namespace tessera::bench {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Timing measure(const std::function<void()>& work, double seconds) {
  constexpr double group_seconds = 0.005;
  work();  // first touch, growth of workspaces
  const double start = now();
  work();
  const double once = std::max(now() - start, 1e-9);
  const int group = std::max(1, static_cast<int>(std::ceil(group_seconds / once)));

  std::vector<double> samples;
  const double begin = now();
  while (samples.size() < 5 || now() - begin < seconds) {
    const double from = now();
    for (int i = 0; i < group; ++i) work();
    samples.push_back((now() - from) / group);
  }
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples.front(), samples.back(), static_cast<int>(samples.size())};
}

}  // namespace tessera::bench
