// Cases of matmul: all four transpositions, bias, activations, shapes around tile sizes, and the linear layers of the
// networks.
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
      all.push_back(matmul_case({72, 80, 136}, {.transpose_a = ta, .transpose_b = tb}, false, Size::quick));
  all.push_back(matmul_case({8, 16, 464}, {.transpose_b = true}, false, Size::quick));
  all.push_back(matmul_case({3, 7, 1101}, {.transpose_a = true}, false, Size::quick, true));
  all.push_back(matmul_case({8, 16, 1104}, {.transpose_b = true, .activation = Activation::relu}, true, Size::quick));
  // Few outputs and a long sum (weight gradients), and ordinary middle sizes.
  for (bool ta : {false, true}) {
    all.push_back(matmul_case({27, 65, 9001}, {.transpose_a = ta}, false, Size::medium));
    all.push_back(matmul_case({255, 257, 300}, {.transpose_a = ta}, false, Size::medium));
    all.push_back(matmul_case({1031, 64, 576}, {.transpose_a = ta, .transpose_b = true}, false, Size::medium));
  }
  // Linear layers at batch 128: LeNet-5 and the ResNet head; forward, then gradient of the input, then of the weights.
  constexpr Shape linear[] = {{128, 120, 400}, {128, 84, 120},  {128, 10, 84},
                              {128, 10, 512},  {512, 512, 512}, {1024, 1024, 1024}};
  for (const Shape& d : linear) {
    all.push_back(matmul_case({d.m, d.n, d.k}, {.transpose_b = true}, true, Size::bench));
    all.push_back(matmul_case({d.m, d.k, d.n}, {}, false, Size::bench));
    all.push_back(matmul_case({d.n, d.k, d.m}, {.transpose_a = true}, false, Size::bench));
  }
}

}  // namespace tessera::cases
