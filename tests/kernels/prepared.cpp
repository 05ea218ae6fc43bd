// Convolutions and products with weights that are kept: on every case of their slots, as the slots themselves are tested.
#include "kernels/prepared.h"

#include <algorithm>
#include <set>

#include "kernels/backends.h"
#include "kernels/prepared_sizes.h"
#include "tests/cases/slot_case.h"
#include "tests/catch.h"

using namespace tessera;
using namespace tessera::kernels;

namespace {

const Preparation& preparation() { return *preparation_of(cpu_backend()); }

// The backend `cpu` whose products are prepared on the spot.
const Backend& preparing() {
  static const Backend table = [] {
    static const Backend& cpu = cpu_backend();
    Backend b = overlay(cpu, "prepared", cpu.runtime);
    b.conv2d_forward =
        +[](Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& e, View y) {
          KeptWeights weights;
          const PreparedCall call = preparation().conv2d_forward(stream, weights, shape, x, w, e, y);
          call ? call(stream) : cpu.conv2d_forward(stream, shape, x, w, e, y);
        };
    b.matmul = +[](Stream& stream, const MatmulParams& params, ConstView x, ConstView w, ConstView bias, Gradient y) {
      KeptWeights weights;
      const PreparedCall call = preparation().matmul(stream, weights, params, x, w, bias, y);
      call ? call(stream) : cpu.matmul(stream, params, x, w, bias, y);
    };
    return b;
  }();
  return table;
}

template <class Check>
void for_each_case(const Check& check) {
  for (const cases::SlotCase& c : cases::slot_cases("conv2d_forward,matmul", cases::Size::medium)) {
    INFO("case " << c.name());
    check(c);
    SUCCEED();
  }
}

// In which form the filters of a convolution are kept; −1: not at all.
int form_of(const Conv2dShape& s, const Options& options = {}) {
  Stream stream(cpu_backend(), 0, options);
  std::vector<float> x(static_cast<std::size_t>(s.n * s.h * s.w * s.c)), y(static_cast<std::size_t>(s.n * s.p * s.q * s.k)),
      w(static_cast<std::size_t>(s.k * s.r * s.s * s.c));
  KeptWeights weights;
  const PreparedCall call = preparation().conv2d_forward(stream, weights, s, {x.data(), DType::f32, {s.n, s.h, s.w, s.c}},
                                                         {w.data(), DType::f32, {s.k, s.r, s.s, s.c}}, {},
                                                         {y.data(), DType::f32, {s.n, s.p, s.q, s.k}});
  CHECK(static_cast<bool>(call) == !weights.empty());
  return weights.empty() ? -1 : weights.begin()->first.second;
}
Conv2dShape same(std::int64_t images, std::int64_t side, std::int64_t channels) {
  return {images, side, side, channels, channels, 3, 3, side, side, 1, 1, 1};
}

}  // namespace

TEST_CASE("prepared products agree with the reference") {
  for_each_case([](const cases::SlotCase& c) {
    for (const bool accumulate : {false, true}) {
      if (accumulate && !c.has_gradient()) continue;
      const std::string difference = cases::compare(c, cases::run(c, preparing(), DType::f32, {}, accumulate),
                                                    cases::run(c, reference_backend(), DType::f64, {}, accumulate));
      if (!difference.empty()) FAIL_CHECK(difference);
      const std::string rounded = cases::compare(c, cases::run(c, preparing(), DType::bf16, {}, accumulate),
                                                 cases::expected(c, DType::bf16, accumulate), DType::bf16);
      if (!rounded.empty()) FAIL_CHECK("bf16: " << rounded);
    }
  });
}

TEST_CASE("prepared products have the same bits for any number of threads") {
  for_each_case([](const cases::SlotCase& c) {
    const cases::Outputs one = cases::run(c, preparing(), DType::f32, {.threads = 1});
    for (const int threads : {2, 3, 7}) {
      const std::string difference = cases::compare_bits(one, cases::run(c, preparing(), DType::f32, {.threads = threads}));
      if (!difference.empty()) FAIL_CHECK(threads << " threads: " << difference);
    }
  });
}

TEST_CASE("filters are kept as their shape asks for") {
  CHECK(form_of(same(1, 32, 64)) == 4);
  CHECK(form_of(same(1, 8, 64)) == 2);
  CHECK(form_of(same(1, 2, 64)) == 0);  // one tile: it would multiply more
  CHECK(form_of(same(1, 16, 64), {.direct_convolution = true}) == 0);
  CHECK(form_of(same(256, 32, 64)) == -1);                           // the transform is lost in the products
  CHECK(form_of({1, 8, 8, 64, 64, 3, 3, 4, 4, 2, 1, 1}) == 0);       // strided
  CHECK(form_of({1, 8, 8, 64, 64, 3, 3, 8, 8, 1, 1, 1, 64}) == -1);  // depthwise
}

TEST_CASE("calls with the same weights share what is kept of them") {
  Stream stream(cpu_backend(), 0, {});
  std::vector<float> x(64 * 16), w(16 * 16), y(64 * 16);
  const ConstView weights(w.data(), DType::f32, {16, 16});
  KeptWeights kept;
  for (const std::int64_t rows : {1, 64})
    CHECK(preparation().matmul(stream, kept, {.transpose_b = true}, {x.data(), DType::f32, {rows, 16}}, weights, {},
                               {{y.data(), DType::f32, {rows, 16}}, false}));
  CHECK(kept.size() == 1);
  CHECK(preparation_of(reference_backend()) == nullptr);
}

TEST_CASE(
    "what would be kept of weights is known without them, and a table over the CPU's with products of its own prepares "
    "nothing") {
  Options options;
  Stream stream(cpu_backend(), 0, options);
  const PreparationSizes& sizes = *preparation_sizes_of(cpu_backend());
  for (const Conv2dShape& s : {same(1, 32, 64), same(1, 8, 64), same(1, 2, 64), same(256, 32, 64)}) {
    std::vector<float> w(static_cast<std::size_t>(s.k * s.r * s.s * s.c));
    PreparedSizes known;
    sizes.conv2d_forward(stream, known, s, {w.data(), DType::f32, {s.k, s.r, s.s, s.c}});
    const int form = form_of(s);
    CHECK(known.size() == (form < 0 ? 0 : 1));
    if (form < 0) continue;
    CHECK(known.begin()->first == std::pair<const void*, int>(w.data(), form));
    const std::size_t least = (form == 4 ? 36 : form == 2 ? 16 : 9) * 64 * 64 * sizeof(float);  // panels may be filled up
    CHECK((known.begin()->second >= least && known.begin()->second <= 2 * least));
  }
  CHECK(preparation_of(overlay(cpu_backend(), "over", cpu_backend().runtime)) != nullptr);
  CHECK(preparation_of(preparing()) == nullptr);
  CHECK(preparation_sizes_of(reference_backend()) == nullptr);
}

TEST_CASE("filters that are kept for a small map serve no larger one, which reaches more of their taps") {
  Stream stream(cpu_backend(), 0, {.direct_convolution = true});
  constexpr std::int64_t channels = 16;
  std::vector<float> w(channels * 9 * channels);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 7) - 3;
  KeptWeights kept;
  for (const std::int64_t side : {1, 2, 1}) {
    const Conv2dShape s = same(1, side, channels);
    const kernels::Dims dims{1, side, side, channels};
    std::vector<float> x(static_cast<std::size_t>(side * side * channels)), y(x.size()), expected(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 5);
    const ConstView in(x.data(), DType::f32, dims), filters(w.data(), DType::f32, {channels, 3, 3, channels});
    const PreparedCall call = preparation().conv2d_forward(stream, kept, s, in, filters, {}, {y.data(), DType::f32, dims});
    REQUIRE(call);
    call(stream);
    Stream by_reference(reference_backend(), 0, {});
    reference_backend().conv2d_forward(by_reference, s, in, filters, {}, {expected.data(), DType::f32, dims});
    CHECK(y == expected);  // sums of small whole numbers
  }
}
