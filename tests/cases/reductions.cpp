// Cases of sum, sum_of_squares and column_sums.
#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

// A sum of n terms of either sign may lose √n·ε of their size; compared with the result (which may be small), far more.
// Hence the mean of 1/4: results stay of the order of n.
const Fill terms = normal(0.25);

void add_sums(std::vector<SlotCase>& all) {
  for (std::int64_t n : {1, 31, 33, 63, 65, 255, 257, 1025, 4099, 100'003, 1'048'577}) {
    const Size size = n > 10'000 ? Size::medium : Size::quick;
    all.push_back({.slot = "sum",
                   .variant = "n=" + std::to_string(n),
                   .operands = {input("x", {n}, terms), gradient("y", {1}, Element::parameter)},
                   .call = [](Stream& s, const Operands& o) { s.backend.sum(s, 0.37, o["x"], o.gradient("y")); },
                   .tolerance = 1e-5,
                   .flops = static_cast<double>(n),
                   .size = size});
    all.push_back({.slot = "sum_of_squares",
                   .variant = "n=" + std::to_string(n),
                   .operands = {input("x", {n}, terms), gradient("y", {1}, Element::parameter)},
                   .call = [](Stream& s, const Operands& o) { s.backend.sum_of_squares(s, 5e-4, o["x"], o.gradient("y")); },
                   .tolerance = 1e-5,
                   .flops = 2.0 * static_cast<double>(n),
                   .size = size});
  }
}

void add_column_sums(std::vector<SlotCase>& all) {
  const auto one = [&](Dims x, Size size = Size::quick) {
    all.push_back({.slot = "column_sums",
                   .variant = extents(x),
                   .operands = {input("x", x, terms), gradient("y", {x.last()}, Element::parameter)},
                   .call = [](Stream& s, const Operands& o) { s.backend.column_sums(s, o["x"], o.gradient("y")); },
                   .tolerance = 1e-5,
                   .flops = static_cast<double>(x.count()),
                   .size = size});
  };
  for (std::int64_t columns : {1, 3, 6, 10, 31, 33, 64, 65, 127, 129}) one({columns % 2 ? 67 : 128, columns});
  one({1, 65});
  one({4099, 3});
  one({520, 65});
  one({2085, 24});
  one({2, 5, 7, 33});
  one({32'768, 64}, Size::medium);
  one({128, 4, 4, 512}, Size::medium);
}

}  // namespace

void add_reduction_cases(std::vector<SlotCase>& all) {
  add_sums(all);
  add_column_sums(all);
}

}  // namespace tessera::cases
