// Cases of gather_batch.
#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

struct Gather {
  std::int64_t images, n, h, w, c;
  std::int64_t position;
  std::int32_t padding;
  bool flip;
  Size size = Size::quick;
  bool reflect = false, alternate = false, fixed = false;
  std::int32_t row = 0, column = 0;
};

}  // namespace

void add_gather_cases(std::vector<SlotCase>& all) {
  const Gather list[] = {
      {3, 1, 1, 1, 1, 0, 0, false},
      {7, 5, 6, 7, 3, 1, 0, false},
      {7, 5, 6, 7, 3, 2, 0, true},
      {7, 5, 6, 7, 3, 1, 2, false},
      {9, 5, 8, 8, 3, 4, 4, true},
      {17, 16, 5, 5, 1, 1, 1, true},
      {5, 3, 9, 4, 4, 0, 3, true},
      {40, 33, 32, 32, 3, 7, 4, true},
      {9, 5, 8, 7, 3, 4, 2, true, Size::quick, true, true},
      {9, 5, 4, 5, 1, 4, 3, true, Size::quick, true},
      {9, 5, 6, 7, 3, 4, 1, true, Size::quick, true, false, true, 0, 2},
      {9, 5, 6, 7, 3, 4, 1, false, Size::quick, false, false, true, 2, 0},
      {600, 128, 32, 32, 3, 400, 4, true, Size::medium},
      {600, 128, 32, 32, 3, 0, 0, false, Size::medium},
  };
  for (const Gather& g : list) {
    GatherParams p{.crop_padding = g.padding,
                   .reflect = g.reflect,
                   .flip = g.flip,
                   .alternate = g.alternate,
                   .fixed = g.fixed,
                   .row = g.row,
                   .column = g.column,
                   .seed = 0x1234567890ull};
    for (int i = 0; i < GatherParams::max_channels; ++i) {
      p.mean[i] = 0.45f + 0.02f * static_cast<float>(i);
      p.std[i] = 0.25f - 0.01f * static_cast<float>(i);
    }
    const std::string sizes = std::to_string(g.h) + "x" + std::to_string(g.w) + "x" + std::to_string(g.c);
    all.push_back({.slot = "gather_batch",
                   .variant = std::to_string(g.n) + " of " + std::to_string(g.images) + " " + sizes + " pad" +
                              std::to_string(g.padding) + (g.flip ? " flip" : "") + (g.reflect ? " reflect" : "") +
                              (g.alternate ? " alternate" : "") + (g.fixed ? " fixed" : ""),
                   .operands = {step_state({.epoch = 5, .position = g.position}),
                                input("images", {g.images, g.h, g.w, g.c}, integers(256), Element::u8),
                                input("labels", {g.images}, integers(10), Element::i32),
                                input("order", {g.images}, integers(g.images), Element::i32),
                                output("x", {g.n, g.h, g.w, g.c}), output("y", {g.n}, Element::i32)},
                   .call =
                       [p](Stream& s, const Operands& o) {
                         s.backend.gather_batch(s, p, o.as<StepState>("state"), o["images"], o["labels"], o["order"], o["x"],
                                                o["y"]);
                       },
                   .tolerance = 1e-6,
                   .flops = 3.0 * static_cast<double>(g.n * g.h * g.w * g.c),
                   .size = g.size});
  }
}

}  // namespace tessera::cases
