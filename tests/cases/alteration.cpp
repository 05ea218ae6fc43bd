// Cases of alter_images and mix_images.
#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

struct Images {
  std::int64_t n, h, w, c;
  Size size = Size::quick;
};
const Images list[] = {{1, 1, 1, 1},   {2, 3, 5, 3},   {5, 8, 8, 4},
                       {3, 16, 17, 3}, {7, 32, 32, 3}, {128, 32, 32, 3, Size::medium}};

const StepState state{.step = 9, .epoch = 3, .position = 40};

void add_alter(std::vector<SlotCase>& all, const Images& d, float jitter, std::int32_t cutout, std::int64_t first) {
  AlterParams p{.jitter = jitter, .cutout = cutout, .seed = 0x1234567890ull};
  for (int i = 0; i < GatherParams::max_channels; ++i) {
    p.mean[i] = 0.45f + 0.02f * static_cast<float>(i);
    p.std[i] = 0.25f - 0.01f * static_cast<float>(i);
  }
  all.push_back(
      {.slot = "alter_images",
       .variant = extents({d.n, d.h, d.w, d.c}) + (jitter > 0 ? " jitter" : "") +
                  (cutout > 0 ? " cutout" + std::to_string(cutout) : "") + " from " + std::to_string(first),
       .operands = {step_state(state), in_out("x", {d.n, d.h, d.w, d.c}, uniform(-2, 2.2))},
       .call = [=](Stream& s, const Operands& o) { s.backend.alter_images(s, p, o.as<StepState>("state"), first, o["x"]); },
       .tolerance = 3e-6,
       .flops = 12.0 * static_cast<double>(d.n * d.h * d.w * d.c),
       .size = d.size});
}

void add_mix(std::vector<SlotCase>& all, const Images& d, bool mixup, bool cutmix, std::int64_t first) {
  const MixParams p{.mixup = mixup, .cutmix = cutmix, .seed = 0x987654321ull};
  all.push_back({.slot = "mix_images",
                 .variant = extents({d.n, d.h, d.w, d.c}) + (mixup ? " mixup" : "") + (cutmix ? " cutmix" : "") + " from " +
                            std::to_string(first),
                 .operands = {step_state(state), input("x", {d.n, d.h, d.w, d.c}),
                              input("y", {d.n}, integers(10), Element::i32), output("mixed", {d.n, d.h, d.w, d.c}),
                              output("other", {d.n}, Element::i32), output("share", {d.n}, Element::parameter)},
                 .call =
                     [=](Stream& s, const Operands& o) {
                       s.backend.mix_images(s, p, o.as<StepState>("state"), first, o["x"], o["y"], o["mixed"], o["other"],
                                            o["share"]);
                     },
                 .tolerance = 5e-7,
                 .flops = 3.0 * static_cast<double>(d.n * d.h * d.w * d.c),
                 .size = d.size});
}

}  // namespace

void add_alteration_cases(std::vector<SlotCase>& all) {
  for (const Images& d : list) {
    add_alter(all, d, 0.4f, 0, 0);
    add_alter(all, d, 0, 5, 2);
    add_alter(all, d, 0.4f, 4, 3);
    add_mix(all, d, true, false, 0);
    add_mix(all, d, false, true, 2);
    add_mix(all, d, true, true, 1);
  }
}

}  // namespace tessera::cases
