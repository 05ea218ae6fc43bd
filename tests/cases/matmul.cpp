// Cases of matmul and linear_backward: all four transpositions, bias, activations, shapes around tile sizes, and the linear layers of the
// networks.
#include "kernels/one_launch.h"
#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

struct Shape {
  std::int64_t m, n, k;
};

// `wide`: c is of kind P whatever a and b are, as logits and the gradients of parameters are.
SlotCase matmul_case(Shape d, MatmulParams p, bool bias, Size size, bool wide = false) {
  std::string variant = std::string(p.transpose_a ? "T" : "N") + (p.transpose_b ? "T" : "N") + " m" + std::to_string(d.m) +
                        " n" + std::to_string(d.n) + " k" + std::to_string(d.k);
  if (bias) variant += " bias";
  if (wide) variant += " wide";
  if (p.activation == Activation::relu) variant += " relu";
  if (p.activation == Activation::sigmoid) variant += " sigmoid";
  const bool plain = !bias && p.activation == Activation::none;  // only then may it accumulate
  const Dims c{d.m, d.n};
  const Element made_of = wide ? Element::parameter : Element::real;
  SlotCase one{
      .slot = "matmul",
      .variant = variant,
      .operands = {input("a", p.transpose_a ? Dims{d.k, d.m} : Dims{d.m, d.k}),
                   input("b", p.transpose_b ? Dims{d.n, d.k} : Dims{d.k, d.n}),
                   plain ? gradient("c", c, made_of) : output("c", c, made_of)},
      .call =
          [p, plain](Stream& s, const Operands& o) {
            s.backend.matmul(s, p, o["a"], o["b"], o.optional("bias"), plain ? o.gradient("c") : Gradient{o["c"], false});
          },
      .tolerance = 1e-5,
      .flops = 2.0 * static_cast<double>(d.m) * static_cast<double>(d.n) * static_cast<double>(d.k),
      .size = size};
  if (bias) one.operands.push_back(input("bias", {d.n}, normal(), Element::parameter));
  return one;
}

struct Layer {
  std::int64_t n, in, out;
};

// All gradients at once, or those of the pattern: x, w, b.
void add_linear_backward(std::vector<SlotCase>& all, Layer d, Activation f, const std::string& wanted = "xwb",
                         Size size = Size::quick) {
  const auto wants = [&](char which) { return wanted.find(which) != std::string::npos; };
  const Dims x{d.n, d.in}, w{d.out, d.in}, y{d.n, d.out};
  SlotCase c{.slot = "linear_backward",
             .variant = "n" + std::to_string(d.n) + " in" + std::to_string(d.in) + " out" + std::to_string(d.out) + " d" +
                        wanted + (f == Activation::none ? "" : std::string(" ") + name_of(f)),
             .operands = {input("dy", y)},
             .call =
                 [f](Stream& s, const Operands& o) {
                   s.backend.linear_backward(s, f, o.optional("x"), o.optional("w"), o.optional("y"), o["dy"],
                                             o.optional_gradient("dx"), o.optional_gradient("dw"),
                                             o.optional_gradient("db"));
                 },
             .tolerance = 1e-5,
             .flops = 2.0 * (wants('x') + wants('w')) * static_cast<double>(d.n * d.in * d.out),
             .size = size};
  if (f != Activation::none) c.operands.push_back(input("y", y, uniform(-0.5, 1)));
  if (wants('x')) c.operands.push_back(input("w", w)), c.operands.push_back(gradient("dx", x));
  if (wants('w')) c.operands.push_back(input("x", x)), c.operands.push_back(gradient("dw", w, Element::parameter));
  if (wants('b')) c.operands.push_back(gradient("db", {d.out}, Element::parameter));
  all.push_back(std::move(c));
}

}  // namespace

void add_matmul_cases(std::vector<SlotCase>& all) {
  constexpr Shape small[] = {{1, 1, 1},    {1, 10, 84},  {3, 5, 7},    {31, 33, 17},  {33, 31, 65},
                             {63, 65, 64}, {65, 63, 31}, {64, 64, 64}, {128, 10, 63}, {129, 127, 33}};
  for (bool ta : {false, true})
    for (bool tb : {false, true})
      for (const Shape& d : small) all.push_back(matmul_case(d, {.transpose_a = ta, .transpose_b = tb}, false, Size::quick));
  for (Activation f : {Activation::none, Activation::relu, Activation::sigmoid})
    for (bool tb : {false, true}) {
      all.push_back(matmul_case({33, 10, 65}, {.transpose_b = tb, .activation = f}, true, Size::quick));
      all.push_back(matmul_case({65, 129, 31}, {.transpose_b = tb, .activation = f}, true, Size::quick));
      if (f != Activation::none)
        all.push_back(matmul_case({7, 33, 9}, {.transpose_b = tb, .activation = f}, false, Size::quick));
    }
  // A classifier: logits, then the gradients of its input and its weights.
  all.push_back(matmul_case({33, 10, 72}, {.transpose_b = true}, true, Size::quick, true));
  all.push_back(matmul_case({33, 72, 10}, {}, false, Size::quick));
  all.push_back(matmul_case({10, 72, 33}, {.transpose_a = true}, false, Size::quick, true));
  // Whole vectors along every axis, and sums long enough to be split among a GPU's blocks.
  for (bool ta : {false, true})
    for (bool tb : {false, true})
      for (const Shape& d : {Shape{72, 80, 40}, {72, 80, 136}, {8, 16, 464}})
        all.push_back(matmul_case(d, {.transpose_a = ta, .transpose_b = tb}, false, Size::quick));
  all.push_back(matmul_case({3, 7, 1101}, {.transpose_a = true}, false, Size::quick, true));
  all.push_back(matmul_case({8, 16, 1104}, {.transpose_b = true, .activation = Activation::relu}, true, Size::quick));
  for (const std::int64_t k : {longest_walk, longest_walk + 1})  // one launch, and two
    all.push_back(matmul_case({10, 7, k}, {.transpose_a = true}, false, Size::quick, true));
  // Few outputs and a long sum (weight gradients), and ordinary middle sizes.
  for (bool ta : {false, true}) {
    all.push_back(matmul_case({27, 65, 9001}, {.transpose_a = ta}, false, Size::medium));
    all.push_back(matmul_case({255, 257, 300}, {.transpose_a = ta}, false, Size::medium));
    all.push_back(matmul_case({1031, 64, 576}, {.transpose_a = ta, .transpose_b = true}, false, Size::medium));
  }
  // Too large for one launch, and split into few shares: float32's sum, bf16's.
  all.push_back(matmul_case({320, 320, 128}, {}, false, Size::medium));
  all.push_back(matmul_case({320, 256, 1024}, {}, false, Size::medium));
  // Linear layers at batch 128: LeNet-5 and the ResNet head; forward, then gradient of the input, then of the weights.
  constexpr Shape linear[] = {{128, 120, 400}, {128, 84, 120},  {128, 10, 84},
                              {128, 10, 512},  {512, 512, 512}, {1024, 1024, 1024}};
  for (const Shape& d : linear) {
    all.push_back(matmul_case({d.m, d.n, d.k}, {.transpose_b = true}, true, Size::bench));
    all.push_back(matmul_case({d.m, d.k, d.n}, {}, false, Size::bench));
    all.push_back(matmul_case({d.n, d.k, d.m}, {.transpose_a = true}, false, Size::bench));
  }
  for (const Layer& d : {Layer{1, 1, 1}, {3, 17, 5}, {33, 40, 10}, {16, 16, 16}, {5, 65, 31}, {31, 15, 33}})
    for (const Activation f : {Activation::none, Activation::relu, Activation::sigmoid}) add_linear_backward(all, d, f);
  for (const char* wanted : {"x", "w", "b", "wb", "xb"}) add_linear_backward(all, {33, 40, 18}, Activation::relu, wanted);
  for (const Layer& d : {Layer{32, 400, 120}, {32, 120, 84}, {32, 84, 10}, {512, 512, 10}})
    add_linear_backward(all, d, Activation::relu, "xwb", Size::bench);
}

}  // namespace tessera::cases
