// Cases of max_pool_*, average_pool_* and global_average_pool_*.
#include <limits>

#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

Pool2dShape shape(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t r, std::int64_t stride,
                  std::int64_t before, std::int64_t after) {
  return {.n = n,
          .h = h,
          .w = w,
          .c = c,
          .r = r,
          .s = r,
          .p = (h + before + after - r) / stride + 1,
          .q = (w + before + after - r) / stride + 1,
          .stride = stride,
          .pad_top = before,
          .pad_left = before};
}

std::string text(const Pool2dShape& d) {
  const auto number = [](std::int64_t v) { return std::to_string(v); };
  return number(d.r) + "x" + number(d.s) + " s" + number(d.stride) + " pad" + number(d.pad_top) + " " + number(d.h) + "x" +
         number(d.w) + " to " + number(d.p) + "x" + number(d.q) + " c" + number(d.c) + " n" + number(d.n);
}

void add_max_pool_forward(std::vector<SlotCase>& all, const Pool2dShape& d, Size size, const std::string& what, Fill fill,
                          bool with_index) {
  SlotCase c{
      .slot = "max_pool_forward",
      .variant = text(d) + what,
      .operands = {input("x", {d.n, d.h, d.w, d.c}, std::move(fill)), output("y", {d.n, d.p, d.q, d.c})},
      .call = [d](Stream& s, const Operands& o) { s.backend.max_pool_forward(s, d, o["x"], o["y"], o.optional("index")); },
      .tolerance = 0,  // a maximum is copied, not computed
      .flops = static_cast<double>(d.n * d.p * d.q * d.c * d.r * d.s),
      .size = size};
  if (with_index) c.operands.push_back(output("index", {d.n, d.p, d.q, d.c}, Element::u8));
  all.push_back(std::move(c));
}

// A winner inside the input for every output cell: window cells are tried in turn from one that depends on the element.
Fill winners(const Pool2dShape& d) {
  return [d](std::uint64_t stream, std::int64_t i) {
    const std::int64_t q = i / d.c % d.q, p = i / d.c / d.q % d.p;
    std::int64_t cell = static_cast<std::int64_t>(integers(d.r * d.s)(stream, i));
    for (;; cell = (cell + 1) % (d.r * d.s)) {
      const std::int64_t h = p * d.stride + cell / d.s - d.pad_top, w = q * d.stride + cell % d.s - d.pad_left;
      if (h >= 0 && h < d.h && w >= 0 && w < d.w) return static_cast<double>(cell);
    }
  };
}

void add_max_pool_backward(std::vector<SlotCase>& all, const Pool2dShape& d, Size size) {
  const Dims y{d.n, d.p, d.q, d.c};
  all.push_back(
      {.slot = "max_pool_backward",
       .variant = text(d),
       .operands = {input("dy", y), input("index", y, winners(d), Element::u8), gradient("dx", {d.n, d.h, d.w, d.c})},
       .call = [d](Stream& s,
                   const Operands& o) { s.backend.max_pool_backward(s, d, o["dy"], o["index"], o.gradient("dx")); },
       .flops = static_cast<double>(y.count()),
       .size = size});
}

void add_max_pool(std::vector<SlotCase>& all) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Pool2dShape quick[] = {
      shape(1, 2, 2, 1, 2, 2, 0, 0),  shape(2, 8, 8, 6, 2, 2, 0, 0),  shape(2, 7, 9, 33, 2, 2, 0, 0),
      shape(2, 8, 8, 16, 3, 2, 0, 1), shape(1, 9, 8, 65, 3, 2, 0, 1), shape(1, 9, 7, 31, 3, 2, 1, 1),
      shape(2, 5, 6, 5, 3, 1, 1, 1),  shape(1, 4, 4, 63, 3, 1, 1, 1), shape(2, 5, 6, 3, 2, 1, 0, 1),
      shape(1, 6, 6, 32, 2, 1, 0, 1), shape(1, 7, 7, 4, 5, 3, 2, 2),  shape(1, 16, 16, 1, 16, 1, 0, 0),
  };
  for (const Pool2dShape& d : quick) {
    add_max_pool_forward(all, d, Size::quick, "", normal(), true);
    add_max_pool_forward(all, d, Size::quick, " ties", integers(3), true);
    add_max_pool_backward(all, d, Size::quick);
  }
  add_max_pool_forward(all, quick[1], Size::quick, " no index", normal(), false);
  add_max_pool_forward(all, quick[6], Size::quick, " below zero", uniform(-5, -4), true);  // padding must not win
  add_max_pool_forward(all, quick[4], Size::quick, " all -inf", constant(-inf), true);
  const Fill rare_nan = [=](std::uint64_t stream, std::int64_t i) {
    return integers(11)(stream, i) == 0 ? nan : normal()(stream + 1, i);
  };
  for (int i : {1, 3, 6, 8}) add_max_pool_forward(all, quick[i], Size::quick, " NaN", rare_nan, true);
  for (const Pool2dShape& d : {shape(32, 32, 32, 64, 2, 2, 0, 0), shape(32, 32, 32, 64, 3, 2, 1, 1)}) {
    add_max_pool_forward(all, d, Size::medium, "", normal(), true);
    add_max_pool_backward(all, d, Size::medium);
  }
}

void add_average_pool(std::vector<SlotCase>& all) {
  struct Listed {
    Pool2dShape shape;
    Size size = Size::quick;
  };
  for (const Listed& l : std::initializer_list<Listed>{{shape(1, 2, 2, 1, 2, 2, 0, 0)},
                                                       {shape(2, 8, 8, 6, 2, 2, 0, 0)},
                                                       {shape(2, 7, 9, 33, 2, 2, 0, 0)},
                                                       {shape(2, 8, 8, 16, 3, 2, 0, 1)},
                                                       {shape(1, 9, 7, 31, 3, 2, 1, 1)},
                                                       {shape(2, 5, 6, 5, 3, 1, 1, 1)},
                                                       {shape(1, 6, 6, 32, 2, 1, 0, 1)},
                                                       {shape(1, 7, 7, 4, 5, 3, 2, 2)},
                                                       {shape(2, 6, 6, 8, 2, 3, 0, 0)},  // cells that no window reads
                                                       {shape(32, 32, 32, 64, 2, 2, 0, 0), Size::medium},
                                                       {shape(32, 16, 16, 64, 3, 2, 1, 1), Size::medium}})
    for (bool count_padding : {false, true}) {
      const Pool2dShape& d = l.shape;
      const Dims x{d.n, d.h, d.w, d.c}, y{d.n, d.p, d.q, d.c};
      const std::string variant = text(d) + (count_padding ? " counting padding" : "");
      const double flops = static_cast<double>(y.count() * d.r * d.s);
      all.push_back({.slot = "average_pool_forward",
                     .variant = variant,
                     .operands = {input("x", x, normal(1)), output("y", y)},
                     .call = [d, count_padding](
                                 Stream& s,
                                 const Operands& o) { s.backend.average_pool_forward(s, d, count_padding, o["x"], o["y"]); },
                     .flops = flops,
                     .size = l.size});
      all.push_back({.slot = "average_pool_backward",
                     .variant = variant,
                     .operands = {input("dy", y), gradient("dx", x)},
                     .call =
                         [d, count_padding](Stream& s, const Operands& o) {
                           s.backend.average_pool_backward(s, d, count_padding, o["dy"], o.gradient("dx"));
                         },
                     .flops = flops,
                     .size = l.size});
    }
}

void add_global_average_pool(std::vector<SlotCase>& all) {
  const auto one = [&](Dims x, Size size) {
    const std::string variant = extents(x);
    all.push_back({.slot = "global_average_pool_forward",
                   .variant = variant,
                   .operands = {input("x", x, normal(1)), output("y", {x[0], x[3]})},
                   .call = [](Stream& s, const Operands& o) { s.backend.global_average_pool_forward(s, o["x"], o["y"]); },
                   .flops = static_cast<double>(x.count()),
                   .size = size});
    all.push_back(
        {.slot = "global_average_pool_backward",
         .variant = variant,
         .operands = {input("dy", {x[0], x[3]}), gradient("dx", x)},
         .call = [](Stream& s, const Operands& o) { s.backend.global_average_pool_backward(s, o["dy"], o.gradient("dx")); },
         .flops = static_cast<double>(x.count()),
         .size = size});
  };
  for (const Dims& x :
       {Dims{1, 1, 1, 1}, Dims{2, 4, 4, 33}, Dims{3, 7, 5, 65}, Dims{5, 8, 8, 64}, Dims{33, 1, 1, 10}, Dims{2, 3, 3, 127}})
    one(x, Size::quick);
  one({128, 4, 4, 512}, Size::medium);
  one({128, 8, 8, 64}, Size::medium);
}

}  // namespace

void add_pool_cases(std::vector<SlotCase>& all) {
  add_max_pool(all);
  add_average_pool(all);
  add_global_average_pool(all);
}

}  // namespace tessera::cases
