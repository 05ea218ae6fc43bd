#include "tests/ptx/interpreter/warp.h"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace tessera::ptx {

void fault(const Warp& w, const Instruction& i, Fault::Code code, const std::string& what, u32 lane) {
  const Block& b = *w.block;
  const Dim& threads = b.launch->block;
  const u32 t = w.index * lane_count + (lane < lane_count ? lane : 0);
  char text[300];
  std::snprintf(text, sizeof text,
                "\n  block (%u,%u,%u) of (%u,%u,%u), thread (%u,%u,%u) of (%u,%u,%u)%s, active lanes %#x\n  ", b.index[0],
                b.index[1], b.index[2], b.launch->grid.x, b.launch->grid.y, b.launch->grid.z, t % threads.x,
                t / threads.x % threads.y, t / threads.x / threads.y, threads.x, threads.y, threads.z,
                lane < lane_count ? "" : " (first of its warp)", w.mask);
  throw Fault(code, what + text + demangled(b.kernel->name) + ": " + b.kernel->place(i));
}

void find_least(Warp& w) {
  w.least = all_lanes;
  for (int g = 0; g < w.pending; ++g)
    if (!w.groups[g].blocked) w.least = std::min(w.least, w.groups[g].pc);
}

void add_group(Warp& w, u32 pc, u32 mask, bool blocked) {
  for (int g = 0; g < w.pending; ++g)
    if (w.groups[g].pc == pc) {
      w.groups[g].mask |= mask;
      w.groups[g].blocked = blocked && w.groups[g].blocked;
      return;
    }
  w.groups[w.pending++] = {pc, mask, blocked};
}

static void take_lowest(Warp& w) {
  int best = -1;
  for (int g = 0; g < w.pending; ++g)
    if (!w.groups[g].blocked && (best < 0 || w.groups[g].pc < w.groups[best].pc)) best = g;
  if (best >= 0) {
    w.pc = w.groups[best].pc;
    w.mask = w.groups[best].mask;
    w.groups[best] = w.groups[--w.pending];
    find_least(w);
  } else if (w.pending == 0) {
    w.stop = true;
    w.mask = 0;
    w.least = all_lanes;
  } else {
    const Kernel& k = *w.block->kernel;
    w.mask = w.groups[0].mask;
    std::string text = "deadlock: lanes of a warp wait for one another at different instructions:";
    for (int g = 0; g < w.pending; ++g) {
      char lanes[24];
      std::snprintf(lanes, sizeof lanes, " lanes %#x at ", w.groups[g].mask);
      text += lanes + k.place(k.code[w.groups[g].pc]) + ";";
    }
    fault(w, k.code[w.groups[0].pc], Fault::launch_failure, text);
  }
}

void reschedule(Warp& w, bool block_current) {
  add_group(w, w.pc, w.mask, block_current);
  take_lowest(w);
}

void end_group(Warp& w) { take_lowest(w); }

bool converge(Warp& w, const Instruction& i, u32 need) {
  if ((w.mask & need) == need) [[likely]]
    return true;
  const u32 pc = static_cast<u32>(&i - w.block->kernel->code.data());
  for (int g = 0; g < w.pending; ++g)
    if (w.groups[g].pc == pc) {
      w.mask |= w.groups[g].mask;
      w.groups[g] = w.groups[--w.pending];
      find_least(w);
      break;
    }
  if ((w.mask & need) == need) return true;
  if (need & ~w.live) fault(w, i, Fault::launch_failure, "lanes are named that have exited");
  w.pc = pc;
  reschedule(w, true);  // the arrival of its fellows wakes it
  return false;
}

void run_warp(Warp& w) {
  const Instruction* const code = w.block->kernel->code.data();
  w.stop = false;
  u64 instructions = 0, lanes = 0;
  while (!w.stop) {
    const Instruction& i = code[w.pc++];
    ++i.hits;
    ++instructions;
    if (i.guard == none || i.own_guard) {
      lanes += static_cast<u64>(std::popcount(w.mask));
      i.handler(w, i);
      continue;
    }
    const u32 p = w.predicate(i.guard), before = w.mask;
    w.mask &= i.guard_not ? ~p : p;
    if (w.mask) {
      lanes += static_cast<u64>(std::popcount(w.mask));
      i.handler(w, i);
    }
    w.mask = before;
  }
  w.block->machine->warp_instructions += instructions;
  w.lane_instructions += lanes;
}

}  // namespace tessera::ptx
