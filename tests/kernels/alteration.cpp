// The reference's changes of images, by hand.
#include "kernels/alteration.h"

#include "tests/kernels/on_reference.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::tests;

TEST_CASE("colour jitter: brightness, contrast, saturation one after another, in the pixels' own range") {
  Stream s(backend(), 0, {});
  AlterParams p{.mean = {0.5f, 0.25f, 0.125f}, .std = {0.5f, 0.25f, 2.0f}, .jitter = 0.5f, .seed = 7};
  const StepState state{.epoch = 2, .position = 10};
  const Values pixels{0.1, 0.9, 0.4, 0.8, 0.2, 0.6};  // two cells
  Values x(6);
  for (std::size_t i = 0; i < 6; ++i)
    x[i] = (pixels[i] - static_cast<double>(p.mean[i % 3])) / static_cast<double>(p.std[i % 3]);
  const Jitter j = jitter_of(p, 2, 13);
  for (const float f : {j.brightness, j.contrast, j.saturation}) CHECK((f >= 0.5f && f < 1.5f));
  backend().alter_images(s, p, &state, 3, view(x, {1, 1, 2, 3}));

  const auto held = [](double v) { return std::min(1.0, std::max(0.0, v)); };
  const auto grey = [](const double* v) { return 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2]; };
  Values v = pixels;
  for (double& e : v) e = held(static_cast<double>(j.brightness) * e);
  const double mean = (grey(&v[0]) + grey(&v[3])) / 2;
  for (double& e : v) e = held(static_cast<double>(j.contrast) * e + (1 - static_cast<double>(j.contrast)) * mean);
  for (std::size_t cell : {0, 3}) {
    const double g = grey(&v[cell]);
    for (std::size_t c = 0; c < 3; ++c)
      v[cell + c] = held(static_cast<double>(j.saturation) * v[cell + c] + (1 - static_cast<double>(j.saturation)) * g);
  }
  for (std::size_t i = 0; i < 6; ++i) v[i] = (v[i] - static_cast<double>(p.mean[i % 3])) / static_cast<double>(p.std[i % 3]);
  check_close(x, v);
}

TEST_CASE("boxes lie about their cell, inside the image; draws are even") {
  const Random4 corner{{0, 31, 0, 0}}, middle{{16, 16, 0, 0}};
  Box b = box_of(corner, 8, 6, 32, 32);
  CHECK((b.top == 0 && b.bottom == 4 && b.left == 28 && b.right == 32));
  b = box_of(middle, 8, 6, 32, 32);
  CHECK((b.top == 12 && b.bottom == 20 && b.left == 13 && b.right == 19));

  Stream s(backend(), 0, {});
  const std::int64_t n = 400, h = 6, w = 8;
  Values x(static_cast<std::size_t>(n * h * w), 1.0);
  const StepState state{};
  backend().alter_images(s, {.cutout = 4, .seed = 3}, &state, 0, view(x, {n, h, w, 1}));
  double zeros = 0;
  for (const double v : x) zeros += v == 0;
  // Of 4×4 cells about an even cell, the share that lies inside: rows (2 + 3 + 4·3 + 3)/6 of 4, columns (2 + 3 + 4·5 + 3)/8.
  CHECK(zeros / static_cast<double>(n) == Approx(20.0 / 6 * 28.0 / 8).epsilon(0.04));

  int cut = 0;
  double share = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const Mixture m = mixture_of({.mixup = true, .cutmix = true, .seed = 1}, 0, i, 32, 32);
    cut += m.cut;
    if (!m.cut) share += static_cast<double>(m.share);
    const double outside = 1 - (m.box.bottom - m.box.top) * (m.box.right - m.box.left) / 1024.0;
    if (m.cut) CHECK(static_cast<double>(m.share) == Approx(outside).epsilon(1e-6));
  }
  CHECK(cut == Approx(n / 2).epsilon(0.15));
  CHECK(share / (static_cast<double>(n) - cut) == Approx(0.5).epsilon(0.1));
  CHECK(!mixture_of({.mixup = true}, 0, 1, 32, 32).cut);
  CHECK(mixture_of({.cutmix = true}, 0, 1, 32, 32).cut);
}

TEST_CASE("mixing: an image, its partner from the batch's other end, and what the labels count") {
  Stream s(backend(), 0, {});
  const StepState state{.epoch = 1, .position = 5};
  const Values x{1, 2, 3, 4, 10, 20, 30, 40, 100, 200, 300, 400};
  const std::vector<std::int32_t> y{7, 8, 9};
  for (const bool cut : {false, true}) {
    const MixParams p{.mixup = !cut, .cutmix = cut, .seed = 11};
    Values mixed(12), share(3);
    std::vector<std::int32_t> other(3);
    backend().mix_images(s, p, &state, 2, view(x, {3, 2, 2, 1}), view(y, {3}), view(mixed, {3, 2, 2, 1}),
                         View{other.data(), DType::i32, {3}}, view(share, {3}));
    CHECK(other == std::vector<std::int32_t>{9, 8, 7});
    for (std::int64_t i = 0; i < 3; ++i) {
      const Mixture m = mixture_of(p, 1, 7 + i, 2, 2);
      CHECK(share[static_cast<std::size_t>(i)] == static_cast<double>(m.share));
      for (std::int64_t e = 0; e < 4; ++e) {
        const double own = x[static_cast<std::size_t>(4 * i + e)], its = x[static_cast<std::size_t>(4 * (2 - i) + e)];
        const double l = static_cast<double>(m.share);
        const double expected = cut ? (m.box.holds(e / 2, e % 2) ? its : own) : l * own + (1 - l) * its;
        CHECK(mixed[static_cast<std::size_t>(4 * i + e)] == Approx(expected).epsilon(1e-12));
      }
    }
  }
}
