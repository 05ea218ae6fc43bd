// Every allocation and every system call of whole programs fails once: no abort, no signal, no hang, the right exit code,
// and nothing lost that was saved before.
//
// A sample that takes a minute or two of two cores; TESSERA_FAULTS_ALL=1 tries every call. (Of allocations the first 600, and
// 600 of the later ones.)
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <sstream>

#include "tests/catch.h"
#include "tests/faults/campaign.h"
#include "tests/faults/subjects.h"

using namespace tessera;
using namespace tessera::tests;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t most_allocations = 600;

// What is wrong with how a program ended; empty where nothing is.
std::string problem(const FaultyRun& run, const std::set<int>& allowed) {
  if (run.code == -1) return "hung";
  if (!allowed.contains(run.code)) return "exit code " + std::to_string(run.code);
  if (run.code != 0 && run.err.find("error: ") == run.err.npos) return "no message";
  for (const char* raw : {"terminate called", "json.exception", "filesystem error", "std::", "basic_string"})
    if (run.err.find(raw) != run.err.npos) return std::string("a raw exception: ") + raw;
  return "";
}

struct Case {
  Fault fault;
  std::set<int> allowed;  // with 0, the result must be that of the undisturbed run
};

struct Tally {
  std::mutex mutex;
  int runs = 0, fired = 0, resumed = 0;
  std::vector<std::string> problems;
};

// Runs one case; after a training that failed, its run folder must go on to the undisturbed run's bits.
void try_case(const Subject& subject, const Case& c, const std::string& expected, bool resume, Tally& tally) {
  const TemporaryFolder out;
  const FaultyRun run = run_faulty(subject, c.fault, out);
  std::string wrong = problem(run, c.allowed);
  if (wrong.empty() && run.code == 0 && !subject.result.empty() && bytes_of_file(out / subject.result) != expected)
    wrong = "exit code 0, but another result";
  bool resumed = false;
  if (wrong.empty() && run.code != 0 && resume && fs::exists(out / "run/checkpoints/latest")) {
    const Subject again{subject.name, {"--resume", "{out}/run"}, subject.result};
    const FaultyRun rest = run_faulty(again, no_fault, out);
    resumed = true;
    if (rest.code != 0 || bytes_of_file(out / subject.result) != expected)
      wrong = "resumed to another result, exit code " + std::to_string(rest.code) + ": " + rest.err;
  }
  const std::lock_guard lock(tally.mutex);
  ++tally.runs;
  tally.fired += run.failed > 0;
  tally.resumed += resumed;
  if (!wrong.empty()) tally.problems.push_back(subject.name + " " + c.fault.text() + ": " + wrong + "\n" + run.err);
}

void campaign(const char* what, const std::function<std::vector<Case>(const Subject&)>& cases) {
  const TemporaryFolder folder;
  make_inputs(folder);
  const std::vector<Subject> all = subjects(folder);

  Tally tally;
  for (const Subject& subject : all) {
    const TemporaryFolder out;
    const FaultyRun plain = run_faulty(subject, no_fault, out);
    INFO(subject.name << ": " << plain.err);
    REQUIRE(plain.code == 0);
    const std::string expected = subject.result.empty() ? "" : bytes_of_file(out / subject.result);
    std::vector<std::function<void()>> jobs;
    int i = 0;
    for (const Case& c : cases(subject)) {
      const bool resume = subject.result.starts_with("run/") && (try_all() || i++ % 3 == 0);
      jobs.emplace_back([&subject, c, &expected, resume, &tally] { try_case(subject, c, expected, resume, tally); });
    }
    in_parallel(jobs);
  }
  WARN(what << ": " << tally.runs << " runs, " << tally.fired << " with a failure, " << tally.resumed << " resumed");
  CHECK(tally.fired > tally.runs / 2);
  for (const std::string& problem : tally.problems) FAIL_CHECK(problem);
}

// How often a program makes a call, when none fails.
std::uint64_t count_of(const Subject& subject, const std::string& call) {
  const TemporaryFolder out;
  return run_faulty(subject, {call, none, false, "0"}, out).calls;
}

}  // namespace

TEST_CASE("every allocation fails once, or that one and all after it: exit code 5, or the undisturbed result",
          "[allocations]") {
  campaign("allocations", [](const Subject& subject) {
    const std::string out_of_memory = std::to_string(ENOMEM);
    const std::uint64_t all = count_of(subject, "allocate"), first = std::min(all, most_allocations);
    std::set<std::uint64_t> alone, lasting;
    for (const std::uint64_t k : sample(first, 25)) alone.insert(k), lasting.insert(k);
    for (std::uint64_t i = 0, count = try_all() ? most_allocations : 6; i < count; ++i)
      alone.insert(all * i / count), lasting.insert(all * i / count);
    std::vector<Case> cases;
    for (const std::uint64_t k : alone) cases.push_back({{"allocate", k, false, out_of_memory}, {0, 5}});
    for (const std::uint64_t k : lasting) cases.push_back({{"allocate", k, true, out_of_memory}, {0, 5}});
    return cases;
  });
}

TEST_CASE("every system call fails once", "[calls]") {
  struct Row {
    const char* call;
    std::vector<int> errors;
    bool can_be_short = false;
  };
  const Row rows[] = {{"open", {EMFILE, EIO, ENOSPC, EINTR}},
                      {"read", {EIO, EINTR}, true},
                      {"write", {ENOSPC, EIO, EINTR}, true},
                      {"fsync", {EIO, ENOSPC, EINTR}},
                      {"close", {EIO, EINTR}},
                      {"rename", {EIO, ENOSPC, EINTR}},
                      {"mkdir", {ENOSPC, EIO, EINTR}},
                      {"remove", {EIO, EINTR}},
                      {"mmap", {ENOMEM}},
                      {"thread", {EAGAIN}}};
  campaign("system calls", [&rows](const Subject& subject) {
    std::vector<Case> cases;
    for (const Row& row : rows) {
      const bool resources = std::string(row.call) == "mmap" || std::string(row.call) == "thread";
      const std::vector<std::uint64_t> places = sample(count_of(subject, row.call), 5);
      for (const std::uint64_t k : places) {
        for (const int error : row.errors)
          cases.push_back({{row.call, k, false, std::to_string(error)},
                           error == EINTR ? std::set<int>{0}
                           : resources    ? std::set<int>{0, 5}
                                          : std::set<int>{0, 1, 3, 4}});
        if (row.can_be_short) cases.push_back({{row.call, k, false, "short"}, {0}});
      }
    }
    return cases;
  });
}

TEST_CASE("killed at any call that changes files, a run goes on to the bits of the undisturbed one", "[kill]") {
  const TemporaryFolder folder;
  make_inputs(folder);
  for (const Subject& subject : subjects(folder)) {
    if (!subject.result.starts_with("run/")) continue;
    const TemporaryFolder whole;
    REQUIRE(run_faulty(subject, no_fault, whole).code == 0);
    const std::string expected = bytes_of_file(whole / subject.result);

    Tally tally;
    std::vector<std::function<void()>> jobs;
    for (const auto& [call, what] : {std::pair{"open", "kill"},
                                     {"write", "kill"},
                                     {"write", "tear"},
                                     {"fsync", "kill"},
                                     {"close", "kill"},
                                     {"rename", "kill"},
                                     {"mkdir", "kill"},
                                     {"remove", "kill"}})
      for (const std::uint64_t k : sample(count_of(subject, call), 8))
        jobs.emplace_back([&, fault = Fault{call, k, false, what}] {
          const TemporaryFolder out;
          const FaultyRun killed = run_faulty(subject, fault, out);
          const bool begun = fs::exists(out / "run/config.json");
          const Subject rest = begun ? Subject{subject.name, {"--resume", "{out}/run"}} : subject;
          const FaultyRun after = run_faulty(rest, no_fault, out);
          std::string wrong;
          if (killed.code != 128 + SIGKILL && killed.code != 0) wrong = "exit code " + std::to_string(killed.code);
          if (after.code != 0) wrong = "afterwards exit code " + std::to_string(after.code) + ": " + after.err;
          if (wrong.empty() && bytes_of_file(out / subject.result) != expected) wrong = "another result";
          for (const auto& entry : fs::recursive_directory_iterator(out.path()))
            if (entry.path().filename().string().starts_with(".tessera-tmp-")) wrong = "left " + entry.path().string();
          const std::lock_guard lock(tally.mutex);
          ++tally.runs;
          tally.fired += killed.failed > 0;
          tally.resumed += begun;
          if (!wrong.empty()) tally.problems.push_back(subject.name + " " + fault.text() + ": " + wrong);
        });
    in_parallel(jobs);
    WARN(subject.name << ": " << tally.runs << " runs, " << tally.fired << " killed, " << tally.resumed << " resumed");
    CHECK(tally.fired > tally.runs * 9 / 10);
    for (const std::string& problem : tally.problems) FAIL_CHECK(problem);
  }
}
