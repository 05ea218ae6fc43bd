// Cases of write_state, check_finite, sgd_step, adam_step, lion_step, average_step and clip_norm.
#include <cmath>
#include <limits>
#include <optional>

#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

constexpr std::int64_t lengths[] = {1, 3, 31, 33, 255, 257, 1025, 4099};
constexpr std::int64_t long_length = 1'000'003;

Size size_for(std::int64_t n) { return n > 10'000 ? Size::medium : Size::quick; }

// ±1, ±2⁻¹, … ±2⁻³¹ in turn: whoever squares too early or adds ε in the wrong place loses the small ones.
const Fill fading = [](std::uint64_t, std::int64_t i) {
  return std::ldexp(i / 32 % 2 ? -1.0 : 1.0, -static_cast<int>(i % 32));
};

void add_write_state(std::vector<SlotCase>& all) {
  StepState state{.step = 7, .epoch = 2, .position = 96};
  for (int group = 0; group < max_groups; ++group) state.learning_rate[group] = 0.1 * (group + 1);
  all.push_back({.slot = "write_state",
                 .variant = "step 7",
                 .operands = {output("state", {sizeof(StepState)}, Element::u8)},
                 .call = [state](Stream& s, const Operands& o) { s.backend.write_state(s, state, o["state"]); },
                 .tolerance = 0});
}

void add_check_finite(std::vector<SlotCase>& all) {
  const auto one = [&](std::int64_t n, const std::string& what, std::int64_t at, double value, StepGuard guard) {
    const Fill fill = [=](std::uint64_t stream, std::int64_t i) { return i == at ? value : normal()(stream, i); };
    all.push_back({.slot = "check_finite",
                   .variant = "n=" + std::to_string(n) + what,
                   .operands = {input("x", {n}, fill, Element::parameter), step_guard(guard, Role::in_out)},
                   .call = [](Stream& s, const Operands& o) { s.backend.check_finite(s, o["x"], o.as<StepGuard>("guard")); },
                   .flops = static_cast<double>(n),
                   .size = n == long_length ? Size::medium : Size::quick});
  };
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const double largest = std::numeric_limits<float>::max();
  for (std::int64_t n : {std::int64_t{1}, std::int64_t{33}, std::int64_t{257}, std::int64_t{1025}, std::int64_t{4099},
                         std::int64_t{70'001}, long_length}) {
    one(n, " finite", -1, 0, {.skip = 1, .consecutive = 3, .skipped = 5});
    one(n, " NaN last", n - 1, nan, {.skip = 0, .consecutive = 0, .skipped = 5});
    one(n, " inf last", n - 1, inf, {.skip = 1, .consecutive = 3, .skipped = 5});
    one(n, " -inf first", 0, -inf, {});
    one(n, " NaN in the middle", n / 2, nan, {});
    one(n, " largest float", n / 2, largest, {});
  }
}

struct Step {
  std::int64_t n;
  std::string what;
  std::optional<StepGuard> guard = {};
  StepState state = {.step = 4, .learning_rate = {0.05}};
  bool fresh = false;  // weights and moments zero, as at the start
  bool copy = false;
};

std::string variant(const Step& c) {
  return c.what + " n=" + std::to_string(c.n) + (c.copy ? " with a copy" : "") +
         (c.guard && c.guard->skip ? " skipped" : "");
}

void add_sgd(std::vector<SlotCase>& all, const Step& c, SgdParams p) {
  SlotCase one{.slot = "sgd_step",
               .variant = variant(c),
               .operands = {step_state(c.state), input("gradient", {c.n}, fading, Element::parameter),
                            in_out("weights", {c.n}, c.fresh ? constant(0) : normal(), Element::parameter)},
               .call =
                   [p](Stream& s, const Operands& o) {
                     s.backend.sgd_step(s, p, o.as<StepState>("state"), o.as<StepGuard>("guard"), o["gradient"],
                                        o["weights"], o.optional("velocity"), o.optional("copy"));
                   },
               .tolerance = 5e-7,
               .flops = (p.momentum > 0 ? 6.0 : 2.0) * static_cast<double>(c.n),
               .size = size_for(c.n)};
  if (p.momentum > 0)
    one.operands.push_back(in_out("velocity", {c.n}, c.fresh ? constant(0) : normal(), Element::parameter));
  if (c.guard) one.operands.push_back(step_guard(*c.guard));
  if (c.copy) one.operands.push_back(in_out("copy", {c.n}, normal(), Element::bf16));
  all.push_back(std::move(one));
}

void add_adam(std::vector<SlotCase>& all, const Step& c, AdamParams p) {
  const auto begin = [&](Fill later) { return c.fresh ? constant(0) : later; };
  SlotCase one{.slot = "adam_step",
               .variant = variant(c),
               .operands = {step_state(c.state), input("gradient", {c.n}, fading, Element::parameter),
                            in_out("weights", {c.n}, begin(normal()), Element::parameter),
                            in_out("moment1", {c.n}, begin(normal(0, 0.1)), Element::parameter),
                            in_out("moment2", {c.n}, begin(uniform(0, 0.01)), Element::parameter)},
               .call =
                   [p](Stream& s, const Operands& o) {
                     s.backend.adam_step(s, p, o.as<StepState>("state"), o.as<StepGuard>("guard"), o["gradient"],
                                         o["weights"], o["moment1"], o["moment2"], o.optional("copy"));
                   },
               .tolerance = 1e-6,
               .flops = 13.0 * static_cast<double>(c.n),
               .size = size_for(c.n)};
  if (c.guard) one.operands.push_back(step_guard(*c.guard));
  if (c.copy) one.operands.push_back(in_out("copy", {c.n}, normal(), Element::bf16));
  all.push_back(std::move(one));
}

void add_lion(std::vector<SlotCase>& all, const Step& c, LionParams p) {
  SlotCase one{.slot = "lion_step",
               .variant = variant(c),
               .operands = {step_state(c.state), input("gradient", {c.n}, fading, Element::parameter),
                            in_out("weights", {c.n}, normal(), Element::parameter),
                            in_out("moment", {c.n}, c.fresh ? constant(0) : normal(0, 0.1), Element::parameter)},
               .call =
                   [p](Stream& s, const Operands& o) {
                     s.backend.lion_step(s, p, o.as<StepState>("state"), o.as<StepGuard>("guard"), o["gradient"],
                                         o["weights"], o["moment"], o.optional("copy"));
                   },
               .tolerance = 5e-7,
               .flops = 9.0 * static_cast<double>(c.n),
               .size = size_for(c.n)};
  if (c.guard) one.operands.push_back(step_guard(*c.guard));
  if (c.copy) one.operands.push_back(in_out("copy", {c.n}, normal(), Element::bf16));
  all.push_back(std::move(one));
}

void add_average(std::vector<SlotCase>& all, const Step& c, double keep) {
  SlotCase one{.slot = "average_step",
               .variant = variant(c),
               .operands = {step_state(c.state), input("x", {c.n}, normal(), Element::parameter),
                            in_out("average", {c.n}, normal(), Element::parameter)},
               .call =
                   [keep](Stream& s, const Operands& o) {
                     s.backend.average_step(s, keep, o.as<StepState>("state"), o.as<StepGuard>("guard"), o["x"],
                                            o["average"]);
                   },
               .tolerance = 5e-7,
               .flops = 3.0 * static_cast<double>(c.n),
               .size = size_for(c.n)};
  if (c.guard) one.operands.push_back(step_guard(*c.guard));
  all.push_back(std::move(one));
}

void add_clip_norm(std::vector<SlotCase>& all, std::int64_t n, double most, double squares, const std::string& what) {
  all.push_back({.slot = "clip_norm",
                 .variant = what + " n=" + std::to_string(n),
                 .operands = {input("squares", {}, constant(squares), Element::parameter),
                              in_out("gradient", {n}, normal(), Element::parameter)},
                 .call = [most](Stream& s, const Operands& o) { s.backend.clip_norm(s, most, o["squares"], o["gradient"]); },
                 .tolerance = 3e-7,
                 .flops = static_cast<double>(n),
                 .size = size_for(n)});
}

}  // namespace

void add_optimizer_cases(std::vector<SlotCase>& all) {
  add_write_state(all);
  add_check_finite(all);

  const StepGuard go{.skip = 0, .consecutive = 0, .skipped = 2}, stop{.skip = 1, .consecutive = 1, .skipped = 3};
  const SgdParams plain{.momentum = 0, .weight_decay = 0, .nesterov = false};
  const SgdParams momentum{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = false};
  const SgdParams nesterov{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = true};
  const auto fresh = [](std::int64_t n, std::string what) {
    return Step{.n = n, .what = std::move(what), .state = {.step = 0, .learning_rate = {1e-3}}, .fresh = true};
  };
  for (std::int64_t n : lengths) {
    add_sgd(all, {.n = n, .what = "plain"}, plain);
    add_sgd(all, {.n = n, .what = "momentum and decay", .guard = go}, momentum);
    add_sgd(all, {.n = n, .what = "nesterov and decay", .guard = go}, nesterov);
  }
  add_sgd(all, {.n = 65, .what = "plain with decay"}, {.momentum = 0, .weight_decay = 0.1, .nesterov = false});
  add_sgd(all, fresh(65, "first step"), momentum);
  add_sgd(all, {.n = 65, .what = "plain group 7", .state = {.learning_rate = {1, 1, 1, 1, 1, 1, 1, 0.05}}},
          {.momentum = 0, .weight_decay = 0, .nesterov = false, .group = 7});
  add_sgd(all, {.n = 65, .what = "plain", .guard = stop}, plain);
  add_sgd(all, {.n = 65, .what = "momentum", .guard = stop}, momentum);
  add_sgd(all, {.n = long_length, .what = "nesterov and decay", .guard = go}, nesterov);

  for (std::int64_t n : {7, 65, 1025})
    for (const StepGuard& guard : {go, stop}) {
      add_sgd(all, {.n = n, .what = "plain", .guard = guard, .copy = true}, plain);
      add_sgd(all, {.n = n, .what = "nesterov and decay", .guard = guard, .copy = true}, nesterov);
    }

  const AdamParams keras{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7, .weight_decay = 0, .form = AdamForm::keras};
  const AdamParams pytorch{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0, .form = AdamForm::pytorch};
  for (AdamParams p : {keras, pytorch}) {
    const std::string form = p.form == AdamForm::keras ? "keras" : "pytorch";
    for (std::int64_t n : lengths) add_adam(all, {.n = n, .what = form, .guard = go}, p);
    for (std::int64_t n : {7, 65, 1025})
      for (const StepGuard& guard : {go, stop}) add_adam(all, {.n = n, .what = form, .guard = guard, .copy = true}, p);
    add_adam(all, fresh(65, form + " first step"), p);
    add_adam(all, {.n = 65, .what = form + " late", .state = {.step = 100'000, .learning_rate = {1e-4}}}, p);
    add_adam(all, {.n = 65, .what = form, .guard = stop}, p);
    add_adam(all, {.n = long_length, .what = form}, p);
    add_adam(all, {.n = 65, .what = form + " group 5", .state = {.step = 4, .learning_rate = {1, 1, 1, 1, 1, 0.05}}},
             {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-7, .weight_decay = 0, .form = p.form, .group = 5});
    p.weight_decay = 1e-2;
    add_adam(all, {.n = 257, .what = form + " decay"}, p);
    p.decoupled = true;
    add_adam(all, {.n = 257, .what = form + " decoupled decay", .copy = true}, p);
    p.decoupled = false;
    p.epsilon = 0.1;  // where √v is small, all depends on where ε is added
    add_adam(all, {.n = 257, .what = form + " large epsilon", .state = {.step = 2, .learning_rate = {0.1}}}, p);
  }

  const LionParams lion{.beta1 = 0.9, .beta2 = 0.99, .weight_decay = 0};
  for (std::int64_t n : lengths) {
    add_lion(all, {.n = n, .what = "plain", .guard = go}, lion);
    add_average(all, {.n = n, .what = "plain", .guard = go}, 0.99);
    add_clip_norm(all, n, 0.5, 16, "shorter");
  }
  for (std::int64_t n : {7, 65, 1025})
    for (const StepGuard& guard : {go, stop}) {
      add_lion(all,
               {.n = n,
                .what = "decay, group 2",
                .guard = guard,
                .state = {.step = 4, .learning_rate = {9, 9, 0.05}},
                .copy = true},
               {.beta1 = 0.95, .beta2 = 0.98, .weight_decay = 0.3, .group = 2});
      add_average(all, {.n = n, .what = "none kept", .guard = guard}, 0);
    }
  add_lion(all, fresh(65, "first step"), lion);
  add_average(all, {.n = 65, .what = "first step", .state = {}}, 0.99);
  add_average(all, {.n = 65, .what = "no guard"}, 0.9);
  add_clip_norm(all, 65, 4, 16, "as long");
  add_clip_norm(all, 65, 5, 16, "short enough");
  add_clip_norm(all, 65, 1, 0, "zero");
  add_lion(all, {.n = long_length, .what = "plain"}, lion);
  add_average(all, {.n = long_length, .what = "plain"}, 0.999);
  add_clip_norm(all, long_length, 1, 1e6, "shorter");
}

}  // namespace tessera::cases
