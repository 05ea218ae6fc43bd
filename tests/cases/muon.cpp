// Cases of muon_step.
#include <optional>

#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

struct Muon {
  std::string what;
  std::vector<std::pair<std::int32_t, std::int32_t>> matrices;  // rows, columns
  std::optional<StepGuard> guard = {};
  bool copy = false, fresh = false, unaligned = false;
  int group = 0;
  Size size = Size::quick;
};

void add(std::vector<SlotCase>& all, const Muon& c) {
  MuonParams p{.momentum = 0.6, .group = c.group, .count = static_cast<int>(c.matrices.size())};
  std::int64_t length = 0;
  double flops = 0;
  std::string variant = c.what;
  for (int i = 0; i < p.count; ++i) {
    const auto [rows, columns] = c.matrices[static_cast<std::size_t>(i)];
    p.matrices[i] = {length, rows, columns};
    length += rows * columns + (c.unaligned ? 1 : 64 - rows * columns % 64);  // what lies between stays as it is
    const double small = std::min(rows, columns), large = std::max(rows, columns);
    flops += 3 * (4 * small * small * large + 2 * small * small * small);
    variant += " " + std::to_string(rows) + "x" + std::to_string(columns);
  }
  StepState state{.step = 4};
  state.learning_rate[c.group] = 0.24;
  SlotCase one{
      .slot = "muon_step",
      .variant = variant + (c.copy ? " with a copy" : "") + (c.guard && c.guard->skip ? " skipped" : ""),
      .operands = {step_state(state), input("gradient", {length}, normal(0.01, 0.1), Element::parameter),
                   in_out("weights", {length}, c.fresh ? constant(0) : normal(), Element::parameter),
                   in_out("velocity", {length}, c.fresh ? constant(0) : normal(0, 0.1), Element::parameter)},
      .call =
          [p](Stream& s, const Operands& o) {
            s.backend.muon_step(s, p, o.as<StepState>("state"), o.as<StepGuard>("guard"), o["gradient"], o["weights"],
                                o["velocity"], o.optional("copy"));
          },
      // A GPU computes in bf16 where there is a copy: X has 2⁻⁸ of its largest element, and changes w by lr of that.
      .tolerance = c.copy ? 1e-2 : 5e-6,
      .flops = flops,
      .size = c.size};
  if (c.guard) one.operands.push_back(step_guard(*c.guard));
  if (c.copy) one.operands.push_back(in_out("copy", {length}, normal(), Element::bf16));
  all.push_back(std::move(one));
}

}  // namespace

void add_muon_cases(std::vector<SlotCase>& all) {
  const StepGuard go{.skipped = 2}, stop{.skip = 1, .consecutive = 1, .skipped = 3};
  add(all, {.what = "wide", .matrices = {{6, 25}}});
  add(all, {.what = "tall", .matrices = {{25, 6}}});
  add(all, {.what = "square", .matrices = {{8, 8}}, .guard = go});
  add(all, {.what = "row and column", .matrices = {{1, 9}, {9, 1}, {1, 1}}});
  add(all, {.what = "over tiles", .matrices = {{65, 72}, {70, 66}}, .guard = go});
  add(all, {.what = "several", .matrices = {{12, 27}, {16, 108}, {40, 16}}, .unaligned = true, .group = 5});
  add(all, {.what = "zeros", .matrices = {{4, 10}}, .fresh = true});
  add(all, {.what = "several", .matrices = {{12, 27}, {40, 16}}, .guard = go, .copy = true});
  add(all, {.what = "wide", .matrices = {{6, 25}}, .guard = stop, .copy = true});
  add(all, {.what = "tall", .matrices = {{25, 6}}, .guard = stop});
  std::vector<std::pair<std::int32_t, std::int32_t>> most(MuonParams::max_matrices, {3, 5});
  add(all, {.what = "as many as there may be,", .matrices = most});
  add(all, {.what = "filters", .matrices = {{64, 216}, {64, 576}, {256, 576}}, .size = Size::medium});
  add(all, {.what = "filters", .matrices = {{64, 216}, {64, 576}, {256, 576}}, .copy = true, .size = Size::medium});
  add(all, {.what = "all six",
            .matrices = {{64, 216}, {64, 576}, {256, 576}, {256, 2304}, {256, 2304}, {256, 2304}},
            .size = Size::bench});
}

}  // namespace tessera::cases
