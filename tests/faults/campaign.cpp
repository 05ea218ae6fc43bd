#include "tests/faults/campaign.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

namespace tessera::tests {

namespace fs = std::filesystem;

namespace {

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

FaultyRun run_preloaded(const Subject& subject, std::vector<std::string> environment, const fs::path& out, double seconds) {
  const TemporaryFolder notes;
  std::vector<std::string> arguments = {std::string(TESSERA_BIN) + "/" + subject.name};
  for (std::string argument : subject.arguments) {
    if (const std::size_t at = argument.find("{out}"); at != argument.npos) argument.replace(at, 5, out.string());
    arguments.push_back(argument);
  }
  environment.emplace_back("PATH=/usr/bin:/bin");
  std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const std::string err = notes / "err";
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open("/dev/null", O_RDWR), 0);
    ::dup2(0, 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  const auto start = std::chrono::steady_clock::now();
  int status = 0;
  bool hung = false;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds) {
      hung = true;
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return {.code = hung ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), .err = read_all(err)};
}

}  // namespace

std::string Fault::text() const { return call + ":" + std::to_string(which) + (all_after ? "+" : "") + ":" + what; }

FaultyRun run_faulty(const Subject& subject, const Fault& fault, const fs::path& out, double seconds) {
  const TemporaryFolder notes;
  FaultyRun run = run_preloaded(
      subject,
      {"LD_PRELOAD=" TESSERA_FAULTS, "TESSERA_FAULT=" + fault.text(), "TESSERA_FAULT_REPORT=" + (notes / "report").string()},
      out, seconds);
  const std::string report = read_all(notes / "report");
  if (report.size() == 16) {
    std::memcpy(&run.calls, report.data(), 8);
    std::memcpy(&run.failed, report.data() + 8, 8);
  }
  return run;
}

FaultyRun run_recorded(const Subject& subject, const fs::path& record, bool with_syncs, const fs::path& out) {
  std::vector<std::string> environment = {"LD_PRELOAD=" TESSERA_RECORDER, "TESSERA_RECORD=" + record.string()};
  if (!with_syncs) environment.emplace_back("TESSERA_NO_SYNC=1");
  return run_preloaded(subject, environment, out, 60);
}

void in_parallel(const std::vector<std::function<void()>>& jobs) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::clamp(std::thread::hardware_concurrency(), 1u, 4u); ++i)
    workers.emplace_back([&] {
      for (std::size_t job; (job = next++) < jobs.size();) jobs[job]();
    });
  for (std::thread& worker : workers) worker.join();
}

}  // namespace tessera::tests
