#include "kernels/emulator/block.h"

#include <cstring>
#include <utility>

namespace tessera::kernels::emulated {

void Block::begin(dim3 size, const Schedule& schedule, std::uint32_t seed) {
  count = size.x * size.y * size.z;
  returned = at_barrier = 0;
  vote = false;
  random_ = seed;
  for (unsigned i = 0; i < count; ++i) {
    threads[i] = Thread{};
    threads[i].index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    threads[i].number = i;
    copies[i].clear();
    order_[i] = schedule.order == Order::reverse ? count - 1 - i : i;
  }
  for (unsigned w = 0; w * 32 < count; ++w) {
    const unsigned lanes = count - w * 32;
    warps[w].members = lanes >= 32 ? ~0u : (1u << lanes) - 1u;
    warps[w].arrived = 0;
  }
  if (schedule.order == Order::random) shuffle();
  position_ = count - 1;
}

void Block::release_barrier(const Schedule& schedule) {
  for (unsigned i = 0; i < count; ++i) {
    threads[i].state = Thread::State::ready;
    threads[i].vote = vote;
  }
  at_barrier = 0;
  vote = false;
  if (schedule.order == Order::random) shuffle();
  position_ = count - 1;
}

void Block::release_lanes(unsigned warp, unsigned lanes, const Schedule& schedule) {
  warps[warp].arrived &= ~lanes;
  for (unsigned lane = 0; lane < 32; ++lane)
    if (lanes >> lane & 1u) threads[warp * 32 + lane].state = Thread::State::ready;
  if (schedule.policy == Policy::greedy) position_ = count - 1;  // look from the front again
}

Thread* Block::next() {
  for (unsigned i = 0; i < count; ++i) {
    position_ = position_ + 1 == count ? 0 : position_ + 1;
    Thread& thread = threads[order_[position_]];
    if (thread.runnable()) return &thread;
  }
  return nullptr;
}

std::uint32_t Block::draw() {
  random_ = random_ * 1664525u + 1013904223u;
  return random_ >> 8;
}

// Warps in random order, lanes in random order within each warp: threads of different warps never mix, so that a random
// order stays different from all others in what it can find, yet greedy can still run one warp ahead.
void Block::shuffle() {
  std::array<unsigned, max_block_threads / 32> warp_order{};
  const unsigned warp_count = (count + 31) / 32;
  for (unsigned w = 0; w < warp_count; ++w) warp_order[w] = w;
  for (unsigned w = warp_count; w > 1; --w) std::swap(warp_order[w - 1], warp_order[draw() % w]);
  unsigned filled = 0;
  for (unsigned w = 0; w < warp_count; ++w) {
    const unsigned first = filled;
    for (unsigned i = warp_order[w] * 32; i < count && i < warp_order[w] * 32 + 32; ++i) order_[filled++] = i;
    for (unsigned n = filled - first; n > 1; --n) std::swap(order_[first + n - 1], order_[first + draw() % n]);
  }
}

bool same_place(const Location& a, const Location& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

namespace {

bool waits(const Thread& thread) {
  return thread.state == Thread::State::at_barrier || thread.state == Thread::State::at_warp;
}

std::string doing(const Thread& thread) {
  switch (thread.state) {
    case Thread::State::fresh: return "not started";
    case Thread::State::ready: return "running or able to run";
    case Thread::State::returned: return "returned from the kernel";
    case Thread::State::at_barrier:
    case Thread::State::at_warp: break;
  }
  return std::string("wait in ") + thread.what + " at " + thread.at.file + ":" + std::to_string(thread.at.line);
}

bool same(const Thread& a, const Thread& b) {
  return a.state == b.state && (!waits(a) || (a.what == b.what && same_place(a.at, b.at)));
}

}  // namespace

std::string describe_threads(const Block& block) {
  std::string text;
  for (unsigned first = 0, i = 0; i < block.count; ++i) {
    if (i + 1 < block.count && same(block.threads[first], block.threads[i + 1])) continue;
    text += "\n  " +
            (first == i ? "thread " + std::to_string(i) : "threads " + std::to_string(first) + ".." + std::to_string(i)) +
            ": " + doing(block.threads[first]);
    first = i + 1;
  }
  return text;
}

}  // namespace tessera::kernels::emulated
