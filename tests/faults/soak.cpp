// A long run: memory and open files stay what they were, however many steps, evaluations and checkpoints there are.
//
// 10,000 steps; TESSERA_FAULTS_ALL=1: 100,000.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "tests/catch.h"
#include "tests/faults/campaign.h"
#include "tests/faults/subjects.h"

using namespace tessera::tests;
namespace fs = std::filesystem;

namespace {

struct Sample {
  double resident = 0;  // MB
  int files = 0;
};

double resident_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/statm");
  double size = 0, resident = 0;
  status >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

int files_of(pid_t process) {
  std::error_code ignored;
  int count = 0;
  for (fs::directory_iterator at("/proc/" + std::to_string(process) + "/fd", ignored), end; at != end; at.increment(ignored))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("a long run takes no more memory and no more open files than a short one", "[soak]") {
  const TemporaryFolder folder;
  make_records(folder / "data/data_batch_1.bin", 2000);
  make_records(folder / "data/test_batch.bin", 40);
  const long steps = try_all() ? 100'000 : 10'000;
  constexpr long steps_per_epoch = 1000;  // then an evaluation and a checkpoint
  const std::string data = folder / "data", epochs = std::to_string(steps / steps_per_epoch), out = folder / "run";
  const std::string program = std::string(TESSERA_BIN) + "/train_lenet5_relu";
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("LD_PRELOAD", TESSERA_FAULTS, 1);  // for its fsync, which does not wait for the disk
    ::execl(program.c_str(), program.c_str(), data.c_str(), "--batch-size", "2", "--epochs", epochs.c_str(), "--threads",
            "1", "--quiet", "--out", out.c_str(), nullptr);
    ::_exit(127);
  }
  char last[32];
  std::snprintf(last, sizeof last, "step-%09ld\n", steps);
  std::vector<Sample> samples;
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    // Not the end of the run, which writes the report.
    if (const std::string latest = bytes_of_file(out + "/checkpoints/latest"); !latest.empty() && latest != last)
      if (const Sample sample{resident_of(child), files_of(child)}; sample.resident > 0 && sample.files > 0)
        samples.push_back(sample);
    std::this_thread::sleep_for(std::chrono::milliseconds(try_all() ? 20 : 2));
  }
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  REQUIRE(samples.size() > 100);

  // A checkpoint, an evaluation or a file being written may be under way in a look: the usual number of a tenth of them
  // counts for files, the most for memory.
  const auto tenth = [&](std::size_t i) {
    const auto begin = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() * i / 10);
    std::vector<Sample> looks(begin, begin + static_cast<std::ptrdiff_t>(samples.size() / 10));
    std::sort(looks.begin(), looks.end(), [](const Sample& a, const Sample& b) { return a.files < b.files; });
    Sample result = looks[looks.size() / 2];
    for (const Sample& look : looks) result.resident = std::max(result.resident, look.resident);
    return result;
  };
  const Sample early = tenth(1), late = tenth(9);
  WARN(steps << " steps, " << steps / steps_per_epoch << " checkpoints, " << samples.size() << " looks: " << early.resident
             << " MB and " << early.files << " files after a tenth, " << late.resident << " MB and " << late.files
             << " files at the end");
  CHECK(late.resident <= early.resident * 1.01);
  CHECK(late.files <= early.files);
}
