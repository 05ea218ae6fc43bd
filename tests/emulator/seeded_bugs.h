// Kernels with one mistake each, beside the same kernel without it: the checkers must tell them apart. Most of these
// mistakes give right results on most runs of a GPU.
#pragma once

#include <string>
#include <vector>

#include "tests/emulator/scan.h"

namespace tessera::tests {

// What finds a mistake. The tests hold every bug to exactly what it names here.
enum Finder : unsigned {
  forward = 1,     // one run in plain order gives other bits than the correct kernel, or a report: no checker needed
  order_scan = 2,  // all_schedules() disagree, or one of them gives a report
  write_sets = 4,  // Schedule::write_sets gives a report
  address = 8,     // AddressSanitizer
  undefined = 16,  // UndefinedBehaviorSanitizer
  race = 32,       // ThreadSanitizer
};

struct SeededBug {
  std::string name;
  Run correct, faulty;
  unsigned found_by;
  std::string report = {};  // a part of the emulator's report, where that is how it is found

  bool found(unsigned finder) const { return (found_by & finder) != 0; }
};

std::vector<SeededBug> bugs_in_sums();
std::vector<SeededBug> bugs_in_tiles();
std::vector<SeededBug> bugs_in_control_flow();
std::vector<SeededBug> bugs_in_memory();

// Which mistake a kernel makes: an argument, no template's, since g++ 12 does not poison the shared arrays of templates
// (what an earlier run left there could then pass for what this one forgot to write).
enum class Bug { nothing, one, two, three };

}  // namespace tessera::tests
