#include "engine/core/threads.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>
#include <thread>

#include "engine/core/control_groups.h"

namespace tessera {
namespace {

constexpr int most_threads = 1024;

// What a group and those above it allow, in processors; none where there is no limit.
std::optional<double> cgroup_limit(const std::string& root, const std::string& own_groups) {
  std::optional<double> limit;
  for_each_control_group(root, own_groups, "cpu", [&](const std::string& folder, bool unified) {
    double quota = 0, period = 0;
    if (unified) {
      std::ifstream(folder + "/cpu.max") >> quota >> period;  // "max 100000" leaves 0
    } else {
      std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;  // -1: none
      std::ifstream(folder + "/cpu.cfs_period_us") >> period;
    }
    if (quota > 0 && period > 0) limit = std::min(limit.value_or(HUGE_VAL), quota / period);
  });
  return limit;
}

}  // namespace

ThreadCount usable_threads(int processors, int affinity, const std::string& cgroup_root, const std::string& own_groups,
                           const char* omp) {
  int asked = 0;  // "4", or "4,2" for nested regions
  const std::string_view text = omp ? omp : "";
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), asked);
  const bool number = problem == std::errc() && asked > 0 && (end == text.data() + text.size() || *end == ',');
  if (number) return {std::min(asked, most_threads), "OMP_NUM_THREADS"};
  ThreadCount count{std::clamp(processors, 1, most_threads), ""};
  if (affinity > 0 && affinity < count.threads) count = {affinity, "affinity"};
  if (const std::optional<double> limit = cgroup_limit(cgroup_root, own_groups); limit && std::ceil(*limit) < count.threads)
    count = {std::max(1, static_cast<int>(std::ceil(*limit))), "cgroup limit"};
  if (!text.empty())
    count.decided_by =
        (count.decided_by.empty() ? "processors" : count.decided_by) + ", OMP_NUM_THREADS being no number above 0";
  return count;
}

ThreadCount usable_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  return usable_threads(static_cast<int>(std::thread::hardware_concurrency()), affinity, control_group_root,
                        own_control_groups(), std::getenv("OMP_NUM_THREADS"));
}

}  // namespace tessera
