// Cases of arithmetic, scale, scale_rows, activation_*, dropout, permute and copy_columns.
#include <limits>

#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

// Around vector widths (4, 8, 16), warps (32), blocks (256, 1024) and beyond one grid stride.
constexpr std::int64_t lengths[] = {1, 3, 31, 33, 63, 65, 127, 255, 257, 1025, 4099};
constexpr std::int64_t long_length = 1'048'577;

std::string of(std::int64_t n) { return "n=" + std::to_string(n); }
Size size_for(std::int64_t n) { return n > 100'000 ? Size::medium : Size::quick; }

void add_scale_rows(std::vector<SlotCase>& all) {
  for (const Dims& d : {Dims{1, 1}, Dims{5, 257}, Dims{33, 10}, Dims{1025, 3}})
    all.push_back(
        {.slot = "scale_rows",
         .variant = extents(d),
         .operands = {input("factors", {d[0]}, normal(), Element::parameter), input("x", d, normal(), Element::parameter),
                      gradient("y", d, Element::parameter)},
         .call = [](Stream& s, const Operands& o) { s.backend.scale_rows(s, o["factors"], o["x"], o.gradient("y")); },
         .tolerance = 5e-7,
         .flops = static_cast<double>(d.count())});
}

void add_arithmetic(std::vector<SlotCase>& all) {
  struct Operation {
    Arithmetic kind;
    const char* word;
  };
  const Operation operations[] = {{Arithmetic::add, "plus"},
                                  {Arithmetic::subtract, "minus"},
                                  {Arithmetic::multiply, "times"},
                                  {Arithmetic::divide, "over"}};
  const auto call = [](Arithmetic kind) {
    return [kind](Stream& s, const Operands& o) { s.backend.arithmetic(s, kind, o["a"], o["b"], o.gradient("y")); };
  };
  const auto one = [&](const Operation& op, const std::string& variant, Operand a, Operand b, Dims y) {
    if (op.kind == Arithmetic::divide) b.fill = uniform(0.5, 2);
    all.push_back({.slot = "arithmetic",
                   .variant = variant,
                   .operands = {std::move(a), std::move(b), gradient("y", y)},
                   .call = call(op.kind),
                   .tolerance = 5e-7,
                   .flops = static_cast<double>(y.count()),
                   .size = size_for(y.count())});
  };
  for (const Operation& op : operations) {
    const std::string sign = std::string(" ") + op.word + " ";
    for (std::int64_t n : lengths) one(op, "a" + sign + "b " + of(n), input("a", {n}), input("b", {n}), {n});
    const auto spread = [](const char* name, Dims dims) { return input(name, dims, normal(), Element::parameter); };
    for (const Dims& d : {Dims{5, 257}, Dims{67, 3}, Dims{2, 3, 5, 8}, Dims{1100, 1}, Dims{33, 64}}) {
      one(op, "a" + sign + "row " + extents(d), input("a", d), spread("b", {d.last()}), d);
      one(op, "row" + sign + "b " + extents(d), spread("a", {d.last()}), input("b", d), d);
      if (d.last() == 1) continue;
      one(op, "a" + sign + "one " + extents(d), input("a", d), spread("b", {1}), d);
      one(op, "one" + sign + "b " + extents(d), spread("a", {1}), input("b", d), d);
    }
  }
  one(operations[0], "a plus b " + of(long_length), input("a", {long_length}), input("b", {long_length}), {long_length});
  const auto in_place = [&](const char* of, const char* other) {
    all.push_back({.slot = "arithmetic",
                   .variant = std::string("in place of ") + of,
                   .operands = {in_out(of, {67}), input(other, {67})},
                   .call = [of](Stream& s, const Operands& o) {
                     s.backend.arithmetic(s, Arithmetic::subtract, o["a"], o["b"], {o[of], false});
                   }});
  };
  in_place("a", "b");
  in_place("b", "a");
}

void add_scale(std::vector<SlotCase>& all) {
  const auto one = [&](std::int64_t n, bool factor) {
    SlotCase c{.slot = "scale",
               .variant = of(n) + (factor ? " with factor" : ""),
               .operands = {input("x", {n}), gradient("y", {n})},
               .call = [](Stream& s,
                          const Operands& o) { s.backend.scale(s, -0.7, o.optional("factor"), o["x"], o.gradient("y")); },
               .flops = 2.0 * static_cast<double>(n),
               .size = size_for(n)};
    if (factor) c.operands.push_back(input("factor", {}, normal(), Element::parameter));
    all.push_back(std::move(c));
  };
  for (std::int64_t n : lengths) one(n, n % 4 == 3);
  one(long_length, true);
  for (const auto& [x, y] : {std::pair<Dims, Dims>{{1}, {513}}, {{33}, {7, 33}}, {{8}, {3, 5, 8}}})
    all.push_back({.slot = "scale",
                   .variant = extents(x) + " spread over " + extents(y),
                   .operands = {input("x", x, normal(), Element::parameter), gradient("y", y)},
                   .call = [](Stream& s, const Operands& o) { s.backend.scale(s, 0.3, {}, o["x"], o.gradient("y")); }});
}

void add_activation(std::vector<SlotCase>& all) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const auto forward = [&](Activation f, std::int64_t n, const std::string& variant, Fill fill) {
    all.push_back({.slot = "activation_forward",
                   .variant = std::string(name_of(f)) + " " + variant,
                   .operands = {input("x", {n}, std::move(fill)), output("y", {n})},
                   .call = [f](Stream& s, const Operands& o) { s.backend.activation_forward(s, f, o["x"], o["y"]); },
                   .flops = static_cast<double>(n),
                   .size = size_for(n)});
  };
  const auto backward_at = [&](Activation f, std::int64_t n, const std::string& variant, Fill fill) {
    all.push_back(
        {.slot = "activation_backward",
         .variant = std::string(name_of(f)) + " " + variant,
         .operands = {input("v", {n}, std::move(fill)), input("dy", {n}), gradient("dx", {n})},
         .call = [f](Stream& s,
                     const Operands& o) { s.backend.activation_backward(s, f, o["v"], o["dy"], o.gradient("dx")); },
         .flops = 2.0 * static_cast<double>(n),
         .size = size_for(n)});
  };
  const auto backward = [&](Activation f, std::int64_t n) {
    backward_at(f, n, of(n), f == Activation::sigmoid ? uniform(0, 1) : needs_input(f) ? normal(0, 2) : normal());
  };
  for (const auto& [f, name, from_input] : activations) {
    for (std::int64_t n : lengths) forward(f, n, of(n), normal()), backward(f, n);
    forward(f, long_length, of(long_length), normal());
    backward(f, long_length);
    // x·Φ(x) and its like are 0·∞ at −∞.
    const double least = from_input ? -200 : -inf;
    forward(f, 37, "extremes", listed({0.0, -0.0, nan, inf, least, 100, -100, 1e-30, -1e-30, 30, -30, 9, -9, -4, -13.5}));
    backward_at(f, 44, "extremes",
                from_input ? listed({0.0, -0.0, nan, 100, -100, 1e-30, 30, -30, 9, -9, -4}) : listed({0.0, 1.0, nan, 0.5}));
    all.push_back({.slot = "activation_backward",
                   .variant = std::string(name_of(f)) + " in place",
                   .operands = {input("v", {67}, listed({0.0, 0.5, 1.0, 0.25, -0.0})), in_out("dy", {67})},
                   .call = [f = f](Stream& s, const Operands& o) {
                     s.backend.activation_backward(s, f, o["v"], o["dy"], {o["dy"], false});
                   }});
  }
}

void add_dropout(std::vector<SlotCase>& all) {
  const auto one = [&](Dims dims, DropoutParams p, std::int64_t step, const std::string& variant) {
    const double n = static_cast<double>(dims.count());
    all.push_back(
        {.slot = "dropout",
         .variant = variant,
         .operands = {step_state({.step = step}), input("x", dims), gradient("y", dims)},
         .call = [p](Stream& s,
                     const Operands& o) { s.backend.dropout(s, p, o.as<StepState>("state"), o["x"], o.gradient("y")); },
         .flops = n,
         .size = size_for(dims.count())});
  };
  for (std::int64_t n : lengths) one({n}, {.probability = 0.5, .seed = 7, .layer = 1}, 3, "p=0.5 " + of(n));
  one({2, 3, 5, 7}, {.probability = 0.2, .seed = 0x123456789abcdefull, .layer = 65535}, 1ll << 33,
      "p=0.2 wide seed and step");
  one({65}, {.probability = 0.0, .seed = 1, .layer = 0}, 0, "p=0 keeps all");
  one({4, 33}, {.probability = 0.9, .seed = 1, .layer = 2}, 0, "p=0.9");
  one({long_length}, {.probability = 0.1, .seed = 9, .layer = 3}, 100, "p=0.1 " + of(long_length));
}

void add_permute(std::vector<SlotCase>& all) {
  const auto one = [&](Dims x, std::array<int, 4> axes, Size size = Size::quick) {
    Dims y = x;
    for (int i = 0; i < 4; ++i) y[i] = x[axes[static_cast<std::size_t>(i)]];
    std::string variant = extents(x) + " axes ";
    for (int a : axes) variant += std::to_string(a);
    all.push_back({.slot = "permute",
                   .variant = variant,
                   .operands = {input("x", x), gradient("y", y)},
                   .call = [axes](Stream& s, const Operands& o) { s.backend.permute(s, axes, o["x"], o.gradient("y")); },
                   .tolerance = 2e-7,
                   .size = size});
  };
  one({2, 5, 7, 3}, {0, 3, 1, 2});  // N,H,W,C to N,C,H,W
  one({2, 3, 5, 7}, {0, 2, 3, 1});  // and back
  one({3, 4, 4, 33}, {0, 3, 1, 2});
  one({2, 3, 4, 5}, {3, 2, 1, 0});
  one({2, 3, 4, 5}, {0, 1, 2, 3});
  one({1, 1, 1, 1}, {2, 0, 3, 1});
  one({4, 1, 65, 31}, {1, 3, 0, 2});
  one({1100, 3, 2, 5}, {0, 3, 1, 2});  // more tiles than a grid has blocks
  one({128, 8, 8, 64}, {0, 3, 1, 2}, Size::medium);
}

void add_copy_columns(std::vector<SlotCase>& all) {
  struct Part {
    std::int64_t columns, from, to;
  };
  const auto one = [&](Dims x, Dims y, Part p, Size size = Size::quick) {
    all.push_back(
        {.slot = "copy_columns",
         .variant = extents(x) + " columns " + std::to_string(p.from) + "+" + std::to_string(p.columns) + " to " +
                    extents(y) + " at " + std::to_string(p.to),
         .operands = {input("x", x), gradient("y", y)},
         .call = [p](Stream& s,
                     const Operands& o) { s.backend.copy_columns(s, p.columns, o["x"], p.from, o.gradient("y"), p.to); },
         .tolerance = 2e-7,
         .size = size});
  };
  one({1, 1}, {1, 1}, {1, 0, 0});
  one({5, 3}, {5, 7}, {3, 0, 0});                  // a first part,
  one({5, 3}, {5, 7}, {3, 0, 4});                  // a last part,
  one({5, 7}, {5, 3}, {3, 2, 0});                  // a slice back
  one({2, 3, 3, 16}, {2, 3, 3, 64}, {16, 0, 16});  // in packs of four
  one({2, 3, 3, 64}, {2, 3, 3, 16}, {16, 48, 0});
  one({33, 8}, {33, 8}, {4, 4, 0});  // within a row
  one({9, 8}, {9, 8}, {4, 2, 0});    // offset that is no multiple of four
  one({67, 33}, {67, 95}, {31, 1, 64});
  one({32, 16, 16, 16}, {32, 16, 16, 64}, {16, 0, 48}, Size::medium);
  one({1024, 16, 16, 16}, {1024, 16, 16, 64}, {16, 0, 48}, Size::bench);
}

void add_convert(std::vector<SlotCase>& all) {
  struct Kinds {
    const char* what;
    Element from, to;
  };
  const Kinds kinds[] = {{"to bf16", Element::parameter, Element::bf16},
                         {"from bf16", Element::bf16, Element::parameter},
                         {"bf16 to bf16", Element::bf16, Element::bf16},
                         {"float32 to float32", Element::parameter, Element::parameter}};
  // Halves of the last place, which go to the even neighbour, and what has no neighbour.
  const Fill edges = listed({1.00390625, 1.01171875, -1.00390625, 1.00390637, 3.4e38, -3.4e38, 1e-40, 0.0, -0.0,
                             std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()});
  for (const Kinds& k : kinds) {
    for (std::int64_t n : {1, 7, 8, 67, 1031, 100'003})
      all.push_back({.slot = "convert",
                     .variant = std::string(k.what) + " n=" + std::to_string(n),
                     .operands = {input("x", {n}, normal(), k.from), gradient("y", {n}, k.to)},
                     .call = [](Stream& s, const Operands& o) { s.backend.convert(s, o["x"], o.gradient("y")); },
                     .size = n > 10'000 ? Size::medium : Size::quick});
    all.push_back({.slot = "convert",
                   .variant = std::string(k.what) + " edges",
                   .operands = {input("x", {5, 11}, edges, k.from), output("y", {5, 11}, k.to)},
                   .call =
                       [](Stream& s, const Operands& o) {
                         s.backend.convert(s, o["x"], {o["y"], false});
                       },
                   .tolerance = 0});
  }
}

}  // namespace

void add_elementwise_cases(std::vector<SlotCase>& all) {
  add_arithmetic(all);
  add_scale_rows(all);
  add_convert(all);
  add_scale(all);
  add_activation(all);
  add_dropout(all);
  add_permute(all);
  add_copy_columns(all);
}

}  // namespace tessera::cases
