// How many threads a process may use: affinity, limits of control groups, OMP_NUM_THREADS.
#include "engine/core/threads.h"

#include <filesystem>
#include <fstream>

#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace tessera;
namespace fs = std::filesystem;

TEST_CASE("the default number of threads is what the process may use, and says what decided") {
  const tests::TemporaryFolder folder;
  const auto put = [&](const std::string& name, const std::string& text) {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << text;
  };
  const std::string root = (folder / "").string();
  const auto check = [&](const ThreadCount& count, int threads, const std::string& decided_by) {
    CHECK(count.threads == threads);
    CHECK(count.decided_by == decided_by);
  };
  check(usable_threads(8, 8, root, "0::/\n", nullptr), 8, "");
  check(usable_threads(8, 3, root, "0::/\n", nullptr), 3, "affinity");
  check(usable_threads(0, 0, root, "", nullptr), 1, "");

  put("cpu.max", "max 100000\n");
  put("job/cpu.max", "250000 100000\n");
  put("job/step/cpu.max", "max 100000\n");
  check(usable_threads(8, 8, root, "0::/job/step\n", nullptr), 3, "cgroup limit");  // of the group above; 2.5 rounded up
  check(usable_threads(8, 2, root, "0::/job/step\n", nullptr), 2, "affinity");
  check(usable_threads(8, 8, root, "0::/\n", nullptr), 8, "");
  put("job/cpu.max", "10000 100000\n");
  check(usable_threads(8, 8, root, "0::/job\n", nullptr), 1, "cgroup limit");

  put("cpu/old/cpu.cfs_quota_us", "400000\n");
  put("cpu/old/cpu.cfs_period_us", "100000\n");
  put("cpu/free/cpu.cfs_quota_us", "-1\n");
  put("cpu/free/cpu.cfs_period_us", "100000\n");
  check(usable_threads(8, 8, root, "7:memory:/old\n4:cpu,cpuacct:/old\n", nullptr), 4, "cgroup limit");
  check(usable_threads(8, 8, root, "4:cpuacct,cpu:/free\n", nullptr), 8, "");

  check(usable_threads(8, 8, root, "0::/job\n", "5"), 5, "OMP_NUM_THREADS");
  check(usable_threads(8, 8, root, "0::/\n", "2,4"), 2, "OMP_NUM_THREADS");
  for (const char* no_number : {"many", "0", "-3", "2x", "99999999999999"})
    check(usable_threads(8, 8, root, "0::/\n", no_number), 8, "processors, OMP_NUM_THREADS being no number above 0");
  check(usable_threads(8, 3, root, "0::/\n", "two"), 3, "affinity, OMP_NUM_THREADS being no number above 0");
  check(usable_threads(8, 8, root, "0::/\n", ""), 8, "");
  CHECK(usable_threads().threads >= 1);
}
