// A warp at work. Its lanes may stand at different instructions: those that stand at one are a group, and the group at the
// lowest instruction runs, so that groups meet again where their ways join.
#pragma once

#include <vector>

#include "tests/ptx/interpreter/machine.h"

namespace tessera::ptx {

struct Group {
  u32 pc, mask;
  bool blocked;  // waits for lanes that are elsewhere
};

// A cp.async that has not landed.
struct CopyInFlight {
  u32 shared;  // offset
  u32 lane, bytes, source_bytes;
  u32 group;  // number of the commit group that it belongs to, counted by lane
  u64 global;
};

struct Warp {
  char* base[2] = {nullptr, nullptr};  // registers, constants
  u32 mask = 0, pc = 0;                // the group that runs
  u32 live = 0;                        // lanes that have not exited
  int pending = 0;                     // groups that wait for their turn
  u32 least = all_lanes;               // the lowest pc of those that are not blocked
  bool stop = false, at_barrier = false;
  u32 barrier_pc = 0;
  Place reduce_to = none;  // bar.red: where the result goes
  bool reduce_value = false;
  Block* block = nullptr;
  u32 index = 0;
  u64 lane_instructions = 0;
  std::vector<CopyInFlight> copies;
  u32 committed[lane_count] = {};
  Group groups[lane_count] = {};

  template <class T>
  T* to(Place p) {
    return reinterpret_cast<T*>(base[0] + p);
  }
  template <class T>
  const T* from(Place p) const {
    const i32 sign = p >> 31;
    return reinterpret_cast<const T*>(base[sign & 1] + (p ^ sign));
  }
  u32 predicate(Place p) const { return *from<u32>(p); }
  void set_predicate(Place p, u32 bits) {
    u32* const d = to<u32>(p);
    *d = (*d & ~mask) | (bits & mask);
  }
};

struct Block {
  Machine* machine = nullptr;
  const Launch* launch = nullptr;
  const Kernel* kernel = nullptr;
  u32 index[3] = {0, 0, 0};
  std::vector<char> shared;
  u32 shared_bytes = 0;
  std::vector<Warp> warps;
  std::vector<char> registers;
  u32 epoch = 1;  // grows with every barrier
  std::vector<SharedShadow> shadow;
};

constexpr u32 first_lane = lane_count;  // no lane in particular
[[noreturn]] void fault(const Warp& w, const Instruction& i, Fault::Code code, const std::string& what,
                        u32 lane = first_lane);

void add_group(Warp& w, u32 pc, u32 mask, bool blocked);
void find_least(Warp& w);
void reschedule(Warp& w, bool block_current);  // the current group joins the others; the lowest runs next
void end_group(Warp& w);                       // the current group has exited

// Are all lanes of `need` here? If not, the current group waits for them, and the handler must return at once.
bool converge(Warp& w, const Instruction& i, u32 need);

void run_warp(Warp& w);  // until it exits or stands at a barrier

#define TESSERA_PTX_LANES for (u32 l = 0; l < lane_count; ++l)

}  // namespace tessera::ptx
