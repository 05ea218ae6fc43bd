#include "tests/programs/run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "engine/files/csv.h"
#include "tests/catch.h"

namespace tessera::tests {

namespace fs = std::filesystem;

std::string Outcome::last_line() const {
  std::string text = out;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.find_last_of('\n') + 1);
}

Process::Process(const std::string& program, std::vector<std::string> arguments) {
  const std::string path = (fs::path(TESSERA_BIN) / program).string();  // or a path of its own
  std::vector<char*> argv{const_cast<char*>(path.c_str())};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string out = folder_ / "out", err = folder_ / "err";
  pid_ = fork();
  if (pid_ == 0) {
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
    execv(path.c_str(), argv.data());
    _exit(127);
  }
}

Process::~Process() {
  if (running()) {
    kill(pid_, SIGKILL);
    wait();
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void Process::signal(int number) const { kill(pid_, number); }

bool Process::running() {
  if (!over_ && waitpid(pid_, &status_, WNOHANG) == pid_) over_ = true;
  return !over_;
}

bool Process::wait_for(const fs::path& file, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  while (!fs::exists(file)) {
    if (!running() || std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return fs::exists(file);
}

Outcome Process::wait() {
  if (!over_) waitpid(pid_, &status_, 0);
  over_ = true;
  return {WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_), read_text(folder_ / "out"),
          read_text(folder_ / "err")};
}

void check_failure(const Outcome& outcome, int code, const std::string& reason) {
  INFO(outcome.err);
  CHECK(outcome.code == code);
  CHECK_THAT(outcome.err, Catch::Contains(reason));
}

Outcome run(const std::string& program, std::vector<std::string> arguments) {
  return Process(program, std::move(arguments)).wait();
}

Outcome shell(const std::string& command) { return run("/bin/bash", {"-c", "BIN='" TESSERA_BIN "'; " + command}); }

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::string cifar_records(int count, int first_label) {
  std::mt19937 random(7);
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    bytes += static_cast<char>((first_label + i) % 10);
    for (int j = 0; j < 3072; ++j) bytes += static_cast<char>(random() & 0xff);
  }
  return bytes;
}

void make_cifar(const fs::path& folder, int train, int test) {
  fs::create_directories(folder);
  write_text(folder / "data_batch_1.bin", cifar_records(train));
  write_text(folder / "test_batch.bin", cifar_records(test, 3));
}

std::string history_without_times(const fs::path& run_folder) {
  const CsvTable table = read_csv(run_folder / "history.csv");
  std::string text;
  for (const CsvRow& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      if (table.columns[i] != "seconds" && table.columns[i] != "images_per_second") text += row[i] + ",";
    text += "\n";
  }
  return text;
}

}  // namespace tessera::tests
