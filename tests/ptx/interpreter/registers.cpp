// Liveness over basic blocks, then a linear scan over the intervals from a register's first to its last live instruction.
#include "tests/ptx/interpreter/registers.h"

#include <algorithm>
#include <map>

#include "tests/ptx/interpreter/control.h"

namespace tessera::ptx {
namespace {

class BitSet {
 public:
  explicit BitSet(std::size_t bits) : words_((bits + 63) / 64) {}
  bool has(u32 n) const { return words_[n / 64] >> (n % 64) & 1; }
  void put(u32 n) { words_[n / 64] |= u64{1} << (n % 64); }
  bool unite(const BitSet& other) {  // true: something was new
    bool changed = false;
    for (std::size_t k = 0; k < words_.size(); ++k) {
      const u64 both = words_[k] | other.words_[k];
      changed |= both != words_[k];
      words_[k] = both;
    }
    return changed;
  }
  void remove(const BitSet& other) {
    for (std::size_t k = 0; k < words_.size(); ++k) words_[k] &= ~other.words_[k];
  }

 private:
  std::vector<u64> words_;
};

struct BasicBlock {
  u32 begin, end;
  BitSet in, out, written;  // live at its begin, at its end; overwritten in it for certain
  std::vector<u32> next;
};

bool leaves(const Instruction& i) { return i.handler == run_branch || i.handler == run_exit; }

std::vector<BasicBlock> basic_blocks(const std::vector<Instruction>& code, std::size_t registers) {
  std::vector<BasicBlock> blocks;
  std::vector<u32> block_of(code.size());
  for (u32 at = 0; at < code.size(); ++at) {
    if (at == 0 || code[at].handler == run_label || leaves(code[at - 1]))
      blocks.push_back({at, at, BitSet(registers), BitSet(registers), BitSet(registers), {}});
    blocks.back().end = at + 1;
    block_of[at] = static_cast<u32>(blocks.size() - 1);
  }
  for (u32 b = 0; b < blocks.size(); ++b) {
    const Instruction& last = code[blocks[b].end - 1];
    if (last.handler == run_branch) blocks[b].next.push_back(block_of[last.target]);
    if (!(leaves(last) && last.guard == none) && b + 1 < blocks.size()) blocks[b].next.push_back(b + 1);
  }
  return blocks;
}

}  // namespace

Place Registers::add(u32 bytes, bool kept) {
  registers_.push_back({bytes, kept});
  return static_cast<Place>(registers_.size() - 1);
}

u32 Registers::share_places(std::vector<Instruction>& code) {
  const std::size_t count = registers_.size();
  std::vector<std::vector<u32>> uses(code.size()), definitions(code.size());
  for (const Touch& t : uses_) uses[t.instruction].push_back(t.number);
  for (const Touch& t : definitions_) definitions[t.instruction].push_back(t.number);

  std::vector<BasicBlock> blocks = basic_blocks(code, count);
  for (BasicBlock& b : blocks)
    for (u32 at = b.begin; at < b.end; ++at) {
      const auto read = [&](const std::vector<u32>& numbers) {
        for (const u32 r : numbers)
          if (!b.written.has(r)) b.in.put(r);
      };
      read(uses[at]);
      if (code[at].guard != none) {
        read(definitions[at]);  // the old value may stay
      } else {
        for (const u32 r : definitions[at]) b.written.put(r);
      }
    }
  for (bool changed = true; changed;) {
    changed = false;
    for (auto b = blocks.rbegin(); b != blocks.rend(); ++b) {
      for (const u32 n : b->next) b->out.unite(blocks[n].in);
      BitSet passing = b->out;
      passing.remove(b->written);
      changed |= b->in.unite(passing);
    }
  }

  constexpr u32 never = ~0u;
  std::vector<u32> first(count, never), last(count, 0);
  const auto live = [&](u32 r, u32 at) { first[r] = std::min(first[r], at), last[r] = std::max(last[r], at); };
  for (const BasicBlock& b : blocks)
    for (u32 r = 0; r < count; ++r) {
      if (b.in.has(r)) live(r, b.begin);
      if (b.out.has(r)) live(r, b.end);
    }
  for (u32 at = 0; at < code.size(); ++at) {
    for (const u32 r : uses[at]) live(r, at);
    for (const u32 r : definitions[at]) live(r, at);
  }
  std::vector<u32> by_begin;
  for (u32 r = 0; r < count; ++r) {
    if (registers_[r].kept) first[r] = 0, last[r] = never;
    if (first[r] != never) by_begin.push_back(r);
  }
  std::stable_sort(by_begin.begin(), by_begin.end(), [&](u32 a, u32 b) { return first[a] < first[b]; });

  std::map<u32, std::vector<u32>> free;  // bytes → places
  std::multimap<u32, u32> active;        // last instruction → register
  u32 top = 0;
  places_.assign(count, none);
  for (const u32 r : by_begin) {
    while (!active.empty() && active.begin()->first < first[r]) {
      const u32 done = active.begin()->second;
      free[registers_[done].bytes].push_back(static_cast<u32>(places_[done]));
      active.erase(active.begin());
    }
    std::vector<u32>& places = free[registers_[r].bytes];
    if (places.empty()) {
      constexpr u32 alignment = 32;
      places.push_back(top);
      top += (registers_[r].bytes + alignment - 1) / alignment * alignment;
    }
    places_[r] = static_cast<Place>(places.back());
    places.pop_back();
    active.insert({last[r], r});
  }
  for (Instruction& i : code) {
    for (Place& p : i.at)
      if (p >= 0) p = place_of(p);
    if (i.guard != none) i.guard = place_of(i.guard);
  }
  constexpr u32 warp_alignment = 256;
  return (top + warp_alignment - 1) / warp_alignment * warp_alignment;
}

}  // namespace tessera::ptx
