// How many CPU threads a process may use.
#pragma once

#include <string>

namespace tessera {

struct ThreadCount {
  int threads = 1;
  std::string decided_by;  // "OMP_NUM_THREADS", "affinity", "cgroup limit"; empty: the machine's processors
};

// The least of what the processors, the process's affinity and its control group's limit (cpu.max, cpu.cfs_quota_us;
// rounded up) allow; where OMP_NUM_THREADS is set, its first number instead, which a user has chosen. At least 1.
ThreadCount usable_threads();

// The same from given values, for tests. `cgroup_root` is the folder where control groups are mounted, `own_groups` the text
// of /proc/self/cgroup, `omp` the variable or null.
ThreadCount usable_threads(int processors, int affinity, const std::string& cgroup_root, const std::string& own_groups,
                           const char* omp);

}  // namespace tessera
