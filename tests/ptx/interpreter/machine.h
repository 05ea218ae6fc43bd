// The machine that kernels run on: its memory, what it looks for while they run, and what it has found.
#pragma once

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/ptx/interpreter/memory.h"
#include "tests/ptx/interpreter/program.h"
#include "tests/ptx/interpreter/races.h"

namespace tessera::ptx {

struct Block;

// What a GPU ends a kernel for. `code` is the cudaError_t that the runtime reports then.
struct Fault : std::runtime_error {
  enum Code : int { illegal_address = 700, misaligned_address = 716, launch_failure = 719 };
  Fault(Code c, const std::string& what) : std::runtime_error(what), code(c) {}
  Code code;
};

struct Options {
  bool shared_races = false;
  bool global_races = false;
  bool uninitialised = false;   // reads of global memory that nobody wrote
  bool early_copies = false;    // cp.async lands at once, not at its wait
  bool truncating_mma = false;  // tensor cores that truncate, as real ones do, instead of rounding exact sums
  bool trace = false;           // a line for every launch
  unsigned order = 0;           // seed of another order of blocks and warps; 0: in order
};

struct Launch {
  Kernel* kernel = nullptr;
  Dim grid, block;
  u32 dynamic_shared = 0;
  std::vector<char> parameters;
};

class Machine {
 public:
  explicit Machine(const Options& o);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void run(const Launch& launch);  // throws Fault

  // Something that is no fault but should not be: printed once for each text, and counted.
  void note(const std::string& text);
  const std::set<std::string>& notes() const { return notes_; }

  const Options options;
  DeviceMemory memory;
  GlobalRaces global_races;
  std::set<const Instruction*> racing;  // instructions of which a race is known already
  u64 launches = 0, lane_instructions = 0, warp_instructions = 0;
  double busy_seconds = 0;

 private:
  std::set<std::string> notes_;
  std::unique_ptr<Block> block_;  // the one that runs: blocks run one after another
};

constexpr u64 shared_window = 0x7E0000000000;  // generic addresses of shared memory
constexpr u64 parameter_window = 0x10000;      // addresses of parameters
constexpr u32 shared_base = 1024;              // as on compute capability 9.0, where the first KB is the system's

}  // namespace tessera::ptx
