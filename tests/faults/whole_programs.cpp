// Every allocation and every system call of whole programs fails once: no abort, no signal, no hang, the right exit code,
// and nothing lost that was saved before.
//
// A sample that takes less than a minute of two cores; TESSERA_FAULTS_ALL=1 tries every call (of allocations the first 600).
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <sstream>

#include "engine/report/png.h"
#include "tests/catch.h"
#include "tests/faults/campaign.h"

using namespace tessera;
using namespace tessera::tests;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t most_allocations = 600;

bool try_all() { return std::getenv("TESSERA_FAULTS_ALL") != nullptr; }

std::string bytes_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void make_inputs(const fs::path& folder) {
  fs::create_directories(folder / "data");
  std::mt19937 random(7);
  for (const auto& [name, count] : {std::pair{"data_batch_1.bin", 24}, std::pair{"test_batch.bin", 12}}) {
    std::ofstream file(folder / "data" / name, std::ios::binary);
    for (int i = 0; i < count; ++i) {
      file.put(static_cast<char>(i % 10));
      for (int j = 0; j < 3072; ++j) file.put(static_cast<char>(random() & 0xff));
    }
  }
  std::vector<std::uint8_t> pixels(std::size_t{40} * 50 * 3);
  for (std::uint8_t& p : pixels) p = static_cast<std::uint8_t>(random());
  const Bytes photo = encode_png(40, 50, pixels);
  std::ofstream(folder / "photo.png", std::ios::binary)
      .write(reinterpret_cast<const char*>(photo.data()), static_cast<std::streamsize>(photo.size()));
}

std::vector<Subject> subjects(const fs::path& folder) {
  const std::string data = folder / "data", weights = folder / "weights/last.safetensors", photo = folder / "photo.png";
  return {{"train_lenet5_relu",
           {data, "--epochs", "2", "--batch-size", "8", "--threads", "2", "--out", "{out}/run"},
           "run/last.safetensors"},
          {"evaluate", {weights, data, "--threads", "2", "--logits", "{out}/z.npy"}, "z.npy"},
          {"predict", {weights, photo, "--threads", "2"}},
          {"finetune",
           {weights, data, "--classes", "horse,ship", "--epochs", "1", "--epochs-frozen", "1", "--threads", "2", "--out",
            "{out}/run"},
           "run/last.safetensors"},
          {"export", {weights, "--txt", "{out}/weights.txt"}, "weights.txt"}};
}

// What is wrong with how a program ended; empty where nothing is.
std::string problem(const FaultyRun& run, const std::set<int>& allowed) {
  if (run.code == -1) return "hung";
  if (!allowed.contains(run.code)) return "exit code " + std::to_string(run.code);
  if (run.code != 0 && run.err.find("error: ") == run.err.npos) return "no message";
  for (const char* raw : {"terminate called", "json.exception", "filesystem error", "std::", "basic_string"})
    if (run.err.find(raw) != run.err.npos) return std::string("a raw exception: ") + raw;
  return "";
}

// `count` numbers below `end`, the first ones close together, where a program sets itself up; all where there are no more.
std::vector<std::uint64_t> sample(std::uint64_t end, std::uint64_t count) {
  std::set<std::uint64_t> chosen;
  if (try_all() || end <= count)
    for (std::uint64_t k = 0; k < end; ++k) chosen.insert(k);
  else
    for (std::uint64_t i = 0; i < count; ++i) chosen.insert(end * i * (i + count) / (2 * count * count));
  return {chosen.begin(), chosen.end()};
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
    const FaultyRun rest = run_faulty(again, {"open", none, false, "0"}, out);
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
  const Subject training{"train_lenet5_relu",
                         {(folder / "data").string(), "--steps", "3", "--seed", "4", "--out", "{out}/weights"}};
  REQUIRE(run_faulty(training, {"open", none, false, "0"}, folder).code == 0);

  Tally tally;
  for (const Subject& subject : all) {
    const TemporaryFolder out;
    const FaultyRun plain = run_faulty(subject, {"open", none, false, "0"}, out);
    INFO(subject.name << ": " << plain.err);
    REQUIRE(plain.code == 0);
    const std::string expected = subject.result.empty() ? "" : bytes_of_file(out / subject.result);
    std::vector<std::function<void()>> jobs;
    int i = 0;
    for (const Case& c : cases(subject)) {
      const bool resume = subject.name.starts_with("train") && (try_all() || i++ % 3 == 0);
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
    const std::uint64_t end = std::min(count_of(subject, "allocate"), most_allocations);
    std::vector<Case> cases;
    for (const std::uint64_t k : sample(end, 25)) cases.push_back({{"allocate", k, false, out_of_memory}, {0, 5}});
    for (const std::uint64_t k : sample(count_of(subject, "allocate"), try_all() ? most_allocations : 12))
      cases.push_back({{"allocate", k, true, out_of_memory}, {0, 5}});
    return cases;
  });
}

TEST_CASE("every system call fails once", "[calls]") {
  struct Row {
    const char* call;
    std::vector<int> errors;
    bool can_be_short = false;
  };
  const Row rows[] = {
      {"open", {EMFILE, EIO, ENOSPC, EINTR}}, {"read", {EIO, EINTR}, true}, {"write", {ENOSPC, EIO, EINTR}, true},
      {"fsync", {EIO, ENOSPC, EINTR}},        {"close", {EIO, EINTR}},      {"rename", {EIO, ENOSPC, EINTR}},
      {"mkdir", {ENOSPC, EIO, EINTR}},        {"mmap", {ENOMEM}},           {"thread", {EAGAIN}}};
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

TEST_CASE("killed at any system call, a training goes on to the bits of the undisturbed one", "[kill]") {
  const TemporaryFolder folder;
  make_inputs(folder);
  const Subject training = subjects(folder)[0];
  const TemporaryFolder whole;
  REQUIRE(run_faulty(training, {"open", none, false, "0"}, whole).code == 0);
  const std::string expected = bytes_of_file(whole / training.result);

  Tally tally;
  std::vector<std::function<void()>> jobs;
  for (const char* call : {"open", "write", "fsync", "close", "rename", "mkdir"})
    for (const std::uint64_t k : sample(count_of(training, call), 12))
      jobs.emplace_back([&, fault = Fault{call, k, false, "kill"}] {
        const TemporaryFolder out;
        const FaultyRun killed = run_faulty(training, fault, out);
        const bool begun = fs::exists(out / "run/config.json");
        const Subject rest = begun ? Subject{training.name, {"--resume", "{out}/run"}} : training;
        const FaultyRun after = run_faulty(rest, {"open", none, false, "0"}, out);
        std::string wrong;
        if (killed.code != 128 + SIGKILL && killed.code != 0) wrong = "exit code " + std::to_string(killed.code);
        if (after.code != 0) wrong = "afterwards exit code " + std::to_string(after.code) + ": " + after.err;
        if (wrong.empty() && bytes_of_file(out / training.result) != expected) wrong = "another result";
        for (const auto& entry : fs::recursive_directory_iterator(out.path()))
          if (entry.path().filename().string().starts_with(".tessera-tmp-")) wrong = "left " + entry.path().string();
        const std::lock_guard lock(tally.mutex);
        ++tally.runs;
        tally.fired += killed.failed > 0;
        tally.resumed += begun;
        if (!wrong.empty()) tally.problems.push_back(fault.text() + ": " + wrong);
      });
  in_parallel(jobs);
  WARN("kills: " << tally.runs << " runs, " << tally.fired << " killed, " << tally.resumed << " resumed");
  CHECK(tally.fired > tally.runs * 9 / 10);
  for (const std::string& problem : tally.problems) FAIL_CHECK(problem);
}
