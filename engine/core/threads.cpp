#include "engine/core/threads.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

namespace tessera {
namespace {

constexpr int most_threads = 1024;

// What a group and those above it allow, in processors; none where there is no limit.
std::optional<double> cgroup_limit(const std::string& root, const std::string& own_groups) {
  std::optional<double> limit;
  const auto take = [&](double quota, double period) {
    if (quota > 0 && period > 0) limit = std::min(limit.value_or(HUGE_VAL), quota / period);
  };
  std::istringstream groups(own_groups);
  for (std::string line; std::getline(groups, line);) {  // "0::/user.slice", "4:cpu,cpuacct:/job"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",cpu,") == std::string::npos) continue;
    for (std::string path = line.substr(second + 1);; path = path.substr(0, path.rfind('/'))) {
      if (path == "/") path.clear();
      double quota = 0, period = 0;
      if (unified) {
        std::ifstream(root + path + "/cpu.max") >> quota >> period;  // "max 100000" leaves 0
      } else {
        std::ifstream(root + "/cpu" + path + "/cpu.cfs_quota_us") >> quota;  // -1: none
        std::ifstream(root + "/cpu" + path + "/cpu.cfs_period_us") >> period;
      }
      take(quota, period);
      if (path.empty()) break;
    }
  }
  return limit;
}

}  // namespace

ThreadCount usable_threads(int processors, int affinity, const std::string& cgroup_root, const std::string& own_groups,
                           const char* omp) {
  int asked = 0;  // "4", or "4,2" for nested regions
  if (omp && std::from_chars(omp, omp + std::char_traits<char>::length(omp), asked).ec == std::errc() && asked > 0)
    return {std::min(asked, most_threads), "OMP_NUM_THREADS"};
  ThreadCount count{std::clamp(processors, 1, most_threads), ""};
  if (affinity > 0 && affinity < count.threads) count = {affinity, "affinity"};
  if (const std::optional<double> limit = cgroup_limit(cgroup_root, own_groups); limit && std::ceil(*limit) < count.threads)
    count = {std::max(1, static_cast<int>(std::ceil(*limit))), "cgroup limit"};
  return count;
}

ThreadCount usable_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int affinity = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
  std::ostringstream groups;
  groups << std::ifstream("/proc/self/cgroup").rdbuf();
  return usable_threads(static_cast<int>(std::thread::hardware_concurrency()), affinity, "/sys/fs/cgroup", groups.str(),
                        std::getenv("OMP_NUM_THREADS"));
}

}  // namespace tessera
