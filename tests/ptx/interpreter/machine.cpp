// A launch: blocks one after another, their warps in turns from barrier to barrier.
#include "tests/ptx/interpreter/machine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>

#include "tests/ptx/interpreter/control.h"
#include "tests/ptx/interpreter/warp.h"

namespace tessera::ptx {
namespace {

// Values of parameters, spread over the lanes of the constants that stand for them.
void set_parameters(Kernel& k, const std::vector<char>& block) {
  for (const ParameterUse& use : k.parameter_uses) {
    u64 v = 0;
    std::memcpy(&v, block.data() + use.parameter, use.size);
    const int unused = 64 - 8 * use.size;
    if (use.is_signed) v = static_cast<u64>(static_cast<i64>(v << unused) >> unused);
    TESSERA_PTX_LANES std::memcpy(k.constants.data() + use.constant + l * use.width, &v, use.width);
  }
}

u32 special_value(Special s, const Block& b, u32 warp, u32 lane) {
  const Dim &threads = b.launch->block, &grid = b.launch->grid;
  const u32 t = warp * lane_count + lane;
  switch (s) {
    case Special::tid_x: return t % threads.x;
    case Special::tid_y: return t / threads.x % threads.y;
    case Special::tid_z: return t / threads.x / threads.y;
    case Special::ntid_x: return threads.x;
    case Special::ntid_y: return threads.y;
    case Special::ntid_z: return threads.z;
    case Special::ctaid_x: return b.index[0];
    case Special::ctaid_y: return b.index[1];
    case Special::ctaid_z: return b.index[2];
    case Special::nctaid_x: return grid.x;
    case Special::nctaid_y: return grid.y;
    case Special::nctaid_z: return grid.z;
    case Special::laneid: return lane;
    case Special::warpid: return warp;
  }
  return 0;
}

u32 lanes_of(u32 threads, u32 warp) {
  const u32 count = std::min(threads - warp * lane_count, lane_count);
  return count == lane_count ? all_lanes : (1u << count) - 1;
}

void start_warp(Block& b, u32 index, u32 live) {
  Warp& w = b.warps[index];
  const Kernel& k = *b.kernel;
  w.base[0] = b.registers.data() + std::size_t{index} * k.register_bytes;
  w.base[1] = b.launch->kernel->constants.data();
  w.block = &b;
  w.index = index;
  w.live = w.mask = live;
  w.pc = 0;
  w.pending = 0;
  w.least = all_lanes;
  w.at_barrier = false;
  w.copies.clear();
  std::fill(std::begin(w.committed), std::end(w.committed), 0u);
  for (const auto& [special, place] : k.special) {
    u32* const r = w.to<u32>(place);
    TESSERA_PTX_LANES r[l] = special_value(special, b, index, l);
  }
}

// All warps that live stand at a barrier: lets them go on, with the result of bar.red where it is one.
void pass_barrier(Block& b, u32 threads, u32 warps) {
  const Kernel& k = *b.kernel;
  Machine& machine = *b.machine;
  bool any = false, every = true, first = true;
  u32 pc = 0;
  for (u32 v = 0; v < warps; ++v) {
    const Warp& w = b.warps[v];
    if (!w.live) continue;
    if (!first && pc != w.barrier_pc)
      machine.note("warps of a block meet at different barriers: " + k.place(k.code[pc]) + " and " +
                   k.place(k.code[w.barrier_pc]));
    pc = w.barrier_pc;
    first = false;
    any |= w.reduce_value;
    every &= w.reduce_value;
  }
  for (u32 v = 0; v < warps; ++v) {
    Warp& w = b.warps[v];
    if (w.live != lanes_of(threads, v))
      machine.note("a barrier after some threads of the block have exited: " + k.place(k.code[pc]));
    if (!w.live) continue;
    if (w.reduce_to != none)
      w.set_predicate(w.reduce_to, (is_any_barrier(k.code[w.barrier_pc]) ? any : every) ? all_lanes : 0);
    w.at_barrier = false;
  }
  ++b.epoch;
}

void finish_copies(const Block& b, u32 warps) {
  for (u32 v = 0; v < warps; ++v)
    if (!b.warps[v].copies.empty())
      b.machine->note("the block ends with cp.async copies that were not waited for: " + demangled(b.kernel->name));
}

}  // namespace

Machine::Machine(const Options& o) : options(o), memory(o.uninitialised), block_(std::make_unique<Block>()) {}
Machine::~Machine() = default;

void Machine::note(const std::string& text) {
  if (notes_.insert(text).second) std::fprintf(stderr, "[ptx] NOTE: %s\n", text.c_str());
}

void Machine::run(const Launch& launch) {
  const auto began = std::chrono::steady_clock::now();
  Kernel& k = *launch.kernel;
  set_parameters(k, launch.parameters);
  ++k.launches;
  ++launches;
  const u32 threads = launch.block.x * launch.block.y * launch.block.z, warps = (threads + lane_count - 1) / lane_count;

  Block& b = *block_;
  b.machine = this;
  b.launch = &launch;
  b.kernel = &k;
  b.shared_bytes = k.uses_dynamic || launch.dynamic_shared ? k.dynamic_offset + launch.dynamic_shared : k.static_shared;
  constexpr std::size_t slack = 128;
  b.shared.resize(std::max(b.shared.size(), b.shared_bytes + slack));
  if (options.shared_races) b.shadow.resize(std::max<std::size_t>(b.shadow.size(), b.shared_bytes));
  b.registers.resize(std::max(b.registers.size(), std::size_t{k.register_bytes} * warps));
  std::memset(b.registers.data(), 0xff, std::size_t{k.register_bytes} * warps);
  if (b.warps.size() < warps) b.warps.resize(warps);

  std::mt19937 random(options.order);
  std::vector<u32> order(warps);
  std::iota(order.begin(), order.end(), 0u);
  const u64 blocks = u64{launch.grid.x} * launch.grid.y * launch.grid.z;
  u64 stride = 1;  // a permutation of the blocks: multiples of a number prime to their count
  if (options.order)
    for (stride = random() % blocks + 1; std::gcd(stride, blocks) != 1;) ++stride;

  u64 lanes = 0;
  for (u64 n = 0; n < blocks; ++n) {
    const u64 id = (n * stride + options.order) % blocks;
    b.index[0] = static_cast<u32>(id % launch.grid.x);
    b.index[1] = static_cast<u32>(id / launch.grid.x % launch.grid.y);
    b.index[2] = static_cast<u32>(id / launch.grid.x / launch.grid.y);
    std::memset(b.shared.data(), 0xff, b.shared_bytes);
    ++b.epoch;
    for (u32 v = 0; v < warps; ++v) start_warp(b, v, lanes_of(threads, v));
    while (true) {
      if (options.order) std::shuffle(order.begin(), order.end(), random);
      bool alive = false;
      for (const u32 v : order) {
        if (b.warps[v].live) run_warp(b.warps[v]);
        alive |= b.warps[v].live != 0;
      }
      if (!alive) break;
      pass_barrier(b, threads, warps);
    }
    finish_copies(b, warps);
  }
  for (u32 v = 0; v < warps; ++v) lanes += std::exchange(b.warps[v].lane_instructions, 0);
  lane_instructions += lanes;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  busy_seconds += seconds;
  if (options.trace)
    std::fprintf(stderr, "[ptx] %s grid %u,%u,%u block %u,%u,%u shared %u+%u: %.1f M lane instructions, %.0f M/s\n",
                 demangled(k.name).c_str(), launch.grid.x, launch.grid.y, launch.grid.z, launch.block.x, launch.block.y,
                 launch.block.z, k.static_shared, launch.dynamic_shared, static_cast<double>(lanes) / 1e6,
                 static_cast<double>(lanes) / 1e6 / seconds);
}

}  // namespace tessera::ptx
