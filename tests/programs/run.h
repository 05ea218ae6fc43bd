// Starting a program of this build and looking at what it did.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"

namespace tessera::tests {

struct Outcome {
  int code = -1;  // as a shell sees it: 128 + n for a signal n
  std::string out, err;

  std::string last_line() const;  // of standard output
};

// A running program with its output going to files in a folder of its own.
class Process {
 public:
  Process(const std::string& program, std::vector<std::string> arguments);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;
  bool running();
  // Waits until the file exists or the process is over; true if it exists.
  bool wait_for(const std::filesystem::path& file, double seconds = 60);
  Outcome wait();

 private:
  TemporaryFolder folder_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool over_ = false;
};

Outcome run(const std::string& program, std::vector<std::string> arguments);
// That it ended with this exit code and gave this reason.
void check_failure(const Outcome& outcome, int code, const std::string& reason);
Outcome shell(const std::string& command);  // by bash, where $BIN is the folder of the programs

using Folder = TemporaryFolder;

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, const std::string& text);
// CIFAR-10 binary records of noise with valid labels.
std::string cifar_records(int count, int first_label = 0);
// A folder with one training batch and a test batch of such records.
void make_cifar(const std::filesystem::path& folder, int train, int test);

// history.csv without the columns that hold times.
std::string history_without_times(const std::filesystem::path& run_folder);

}  // namespace tessera::tests
