// Running programs while one of their calls fails (preload/inject.cpp), and what that must look like.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"

namespace tessera::tests {

struct Fault {
  std::string call;  // allocate, open, read, …
  std::uint64_t which = 0;
  bool all_after = false;
  std::string what;  // an errno by number, "short", "kill" or "tear"

  std::string text() const;  // as TESSERA_FAULT has it
};
inline constexpr std::uint64_t none = ~std::uint64_t{0};  // Fault::which of no call: they are counted alone

struct FaultyRun {
  int code = -1;  // as a shell sees it; -1: it hung and was killed
  std::string err;
  std::uint64_t calls = 0, failed = 0;
};

// One program on small inputs. {out} in an argument is a fresh folder's path; `result`, below it, is what the run makes.
struct Subject {
  std::string name;
  std::vector<std::string> arguments;
  std::string result = {};
};

FaultyRun run_faulty(const Subject& subject, const Fault& fault, const std::filesystem::path& out, double seconds = 60);
inline const Fault no_fault{"open", none, false, "0"};

// Runs a program undisturbed and records what it changes in the file system (preload/record.cpp).
FaultyRun run_recorded(const Subject& subject, const std::filesystem::path& record, bool with_syncs,
                       const std::filesystem::path& out);

// Runs the jobs on as many threads as the machine has cores (at most 4).
void in_parallel(const std::vector<std::function<void()>>& jobs);

}  // namespace tessera::tests
