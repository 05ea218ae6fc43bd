// Products in eight bits against plain loops. Where all scales are powers of two and values small whole numbers, float32 is
// exact too: then every instruction set and any number of threads give these very numbers.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/backends.h"
#include "kernels/cpu/isa/kernels.h"
#include "kernels/errors.h"
#include "kernels/philox.h"
#include "kernels/prepared.h"
#include "tests/catch.h"

using namespace tessera::kernels;

namespace {

constexpr InstructionSet sets[] = {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512};

int below(int most, std::uint64_t stream, std::int64_t i) {
  return static_cast<int>(philox(1, Purpose::test, stream, static_cast<std::uint64_t>(i)).v[0] %
                          static_cast<unsigned>(most));
}

struct Problem {
  Conv2dShape shape;
  Int8Product product;
  std::vector<float> x, w, scale, shift, residual;
  Activation activation = Activation::none;

  ConstView images() const { return {x.data(), DType::f32, {shape.n, shape.h, shape.w, shape.c}}; }
  ConstView filters() const { return {w.data(), DType::f32, {shape.k, shape.r, shape.s, shape.c}}; }
  Dims out() const { return {shape.n, shape.p, shape.q, shape.k}; }
  Conv2dEpilogue epilogue() const {
    return {.scale = {scale.data(), DType::f32, {shape.k}},
            .shift = {shift.data(), DType::f32, {shape.k}},
            .residual = {residual.data(), DType::f32, out()},
            .activation = activation};
  }
};

// extreme: products as large as they can be, all of one sign.
Problem problem(const Conv2dShape& s, std::int32_t zero_point, Activation activation, bool extreme = false) {
  Problem p{.shape = s, .product = {{}, 0.5f, zero_point}, .x = {}, .w = {}, .scale = {}, .shift = {}, .residual = {}};
  p.activation = activation;
  for (std::int64_t i = 0; i < s.n * s.h * s.w * s.c; ++i)  // beyond the range too, and between two numbers
    p.x.push_back(extreme ? 1000.0f : static_cast<float>(below(400, 1, i) - 2 * zero_point - 60) / 4);
  for (std::int64_t k = 0; k < s.k; ++k) {
    p.product.weight_scales.push_back(std::ldexp(1.0f, below(3, 2, k) - 5));
    p.scale.push_back(std::ldexp(1.0f, below(3, 3, k) - 1));
    p.shift.push_back(static_cast<float>(below(64, 4, k) - 32));
  }
  const std::int64_t each = s.r * s.s * s.c;
  for (std::int64_t i = 0; i < s.k * each; ++i)
    p.w.push_back(p.product.weight_scales[static_cast<std::size_t>(i / each)] *
                  static_cast<float>(extreme ? (i / each % 2 ? -63 : 63) : below(127, 5, i) - 63));
  for (std::int64_t i = 0; i < p.out().count(); ++i) p.residual.push_back(static_cast<float>(below(64, 6, i) - 32));
  return p;
}

std::vector<float> plain(const Problem& p) {
  const Conv2dShape& s = p.shape;
  const auto whole = [&](float x) {
    return static_cast<int>(
        std::clamp(std::nearbyint(x / p.product.input_scale) + static_cast<float>(p.product.zero_point), 0.0f, 127.0f));
  };
  std::vector<float> y;
  for (std::int64_t i = 0; i < p.out().count(); ++i) {
    const std::int64_t k = i % s.k, q = i / s.k % s.q, row = i / s.k / s.q % s.p, n = i / s.k / s.q / s.p;
    const double weight_scale = static_cast<double>(p.product.weight_scales[static_cast<std::size_t>(k)]);
    double sum = 0;
    for (std::int64_t r = 0; r < s.r; ++r)
      for (std::int64_t t = 0; t < s.s; ++t) {
        const std::int64_t h = row * s.stride + r - s.pad_top, w = q * s.stride + t - s.pad_left;
        if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
        for (std::int64_t c = 0; c < s.c; ++c)
          sum += (whole(p.x[static_cast<std::size_t>(((n * s.h + h) * s.w + w) * s.c + c)]) - p.product.zero_point) *
                 std::nearbyint(static_cast<double>(p.w[static_cast<std::size_t>(((k * s.r + r) * s.s + t) * s.c + c)]) /
                                weight_scale);
      }
    const auto at = static_cast<std::size_t>(i), channel = static_cast<std::size_t>(k);
    double v = sum * weight_scale * static_cast<double>(p.product.input_scale) * static_cast<double>(p.scale[channel]) +
               static_cast<double>(p.shift[channel]) + static_cast<double>(p.residual[at]);
    if (p.activation == Activation::relu) v = std::max(v, 0.0);
    y.push_back(static_cast<float>(v));
  }
  return y;
}

std::vector<float> computed(const Problem& p, InstructionSet set, int threads) {
  Stream stream(cpu_backend(), 0, {.threads = threads, .instruction_set = set});
  std::vector<float> y(static_cast<std::size_t>(p.out().count()), NAN);
  KeptWeights kept;
  const PreparedCall call = preparation_of(cpu_backend())
                                ->conv2d_forward_int8(stream, kept, p.product, p.shape, p.images(), p.filters(),
                                                      p.epilogue(), {y.data(), DType::f32, p.out()});
  call(stream);
  return y;
}

// The tables that run with an instruction set: AVX-512 has another one for processors with VNNI. DeviceError: not on this one.
std::vector<const cpu::isa::Int8Kernels*> tables_of(InstructionSet set) {
  std::vector<const cpu::isa::Int8Kernels*> tables{&cpu::isa::kernels(set).int8};
  const auto& chosen = cpu::isa::int8_kernels(Stream(cpu_backend(), 0, {.instruction_set = set}));
  if (&chosen != tables[0]) tables.push_back(&chosen);
  return tables;
}

// By a table's kernels alone, all outputs at once.
std::vector<float> computed(const Problem& p, const cpu::isa::Int8Kernels& table) {
  const Conv2dShape& s = p.shape;
  const std::int64_t rows = (s.p - 1) * s.stride + s.r, columns = (s.q - 1) * s.stride + s.s, line = columns * s.c;
  const std::int64_t length = (s.s * s.c + 3) / 4 * 4, width = table.panel_width, step = s.r * length * width;
  const std::int64_t panels = (s.k + width - 1) / width;
  std::vector<std::uint8_t> in(static_cast<std::size_t>(s.n * rows * line + 3),
                               static_cast<std::uint8_t>(p.product.zero_point));
  for (std::int64_t i = 0; i < s.n * s.h * s.w; ++i) {
    const std::int64_t n = i / s.w / s.h, h = i / s.w % s.h + s.pad_top, w = i % s.w + s.pad_left;
    if (h < rows && w < columns)
      table.quantize(p.x.data() + i * s.c, s.c, 1 / p.product.input_scale, p.product.zero_point,
                     in.data() + ((n * rows + h) * columns + w) * s.c);
  }
  std::vector<std::int8_t> packed(static_cast<std::size_t>(panels * step));
  std::vector<std::int32_t> start(static_cast<std::size_t>(panels * width));
  std::vector<float> scale;
  for (std::int64_t k = 0; k < s.k; ++k) {
    const auto channel = static_cast<std::size_t>(k);
    scale.push_back(p.product.weight_scales[channel] * p.product.input_scale * p.scale[channel]);
    for (std::int64_t i = 0; i < s.r * s.s * s.c; ++i) {
      const std::int64_t r = i / (s.s * s.c), l = i % (s.s * s.c);
      const auto q = static_cast<std::int8_t>(
          std::nearbyint(p.w[static_cast<std::size_t>(k * s.r * s.s * s.c + i)] / p.product.weight_scales[channel]));
      packed[static_cast<std::size_t>(k / width * step + (r * length + l) / 4 * 4 * width + k % width * 4 + l % 4)] = q;
      start[channel] -= p.product.zero_point * q;
    }
  }
  std::vector<float> y(static_cast<std::size_t>(p.out().count()), NAN);
  table.rows(
      {.in = in.data(),
       .in_image = rows * line,
       .in_row = s.stride * line,
       .in_column = s.stride * s.c,
       .out = y.data(),
       .out_image = s.p * s.q * s.k,
       .out_row = s.q * s.k,
       .out_column = s.k,
       .images = s.n,
       .rows = s.p,
       .columns = s.q,
       .taps = s.r,
       .tap_step = line,
       .length = length,
       .panels = packed.data(),
       .panel_step = step,
       .start = start.data(),
       .channels = s.k,
       .epilogue = {
           .scale = scale.data(), .shift = p.shift.data(), .residual = p.residual.data(), .activation = p.activation}});
  return y;
}

const Conv2dShape shapes[] = {
    {2, 9, 7, 3, 5, 3, 3, 9, 7, 1, 1, 1},       // channels that are no multiple of four
    {1, 8, 8, 64, 64, 3, 3, 8, 8, 1, 1, 1},     // whole panels
    {3, 8, 8, 16, 33, 3, 3, 4, 4, 2, 0, 0},     // strided, padded below and at the right
    {1, 1, 1, 32, 40, 3, 3, 1, 1, 1, 1, 1},     // one tap of nine meets the map
    {5, 2, 2, 20, 17, 1, 1, 1, 1, 2, 0, 0},     // 1×1, strided
    {1, 32, 32, 8, 16, 5, 5, 28, 28, 1, 0, 0},  // many rows
    {40, 4, 4, 12, 70, 3, 3, 4, 4, 1, 1, 1},    // several images together
};

}  // namespace

TEST_CASE("int8 convolutions are those of plain loops, on every instruction set and any number of threads", "[kernels]") {
  for (const Conv2dShape& shape : shapes)
    for (const std::int32_t zero_point : {0, 31})
      for (const Activation activation : {Activation::none, Activation::relu})
        for (const bool extreme : {false, true}) {
          const Problem p = problem(shape, zero_point, activation, extreme);
          const std::vector<float> expected = plain(p);
          for (const InstructionSet set : sets)
            for (const int threads : {1, 2, 3, 7}) {
              INFO(name_of(set) << ", " << threads << " threads, " << shape.h << "x" << shape.w << "x" << shape.c << " to "
                                << shape.k);
              try {
                CHECK(computed(p, set, threads) == expected);
              } catch (const DeviceError& e) {
                WARN("not tested: " << e.what());
              }
            }
        }
}

TEST_CASE("int8 kernels of every table, AVX-512 without VNNI too, compute what plain loops do", "[kernels][isa]") {
  for (const InstructionSet set : sets) try {
      const auto tables = tables_of(set);
      for (const Conv2dShape& shape : shapes)
        for (const bool extreme : {false, true}) {
          const Problem p = problem(shape, 31, Activation::relu, extreme);
          const std::vector<float> expected = plain(p);
          for (std::size_t i = 0; i < tables.size(); ++i) {
            INFO(name_of(set) << ", table " << i << ", " << shape.h << "x" << shape.w << "x" << shape.c << " to "
                              << shape.k);
            CHECK(computed(p, *tables[i]) == expected);
          }
        }
    } catch (const DeviceError& e) {
      WARN("not tested: " << e.what());
    }
}

TEST_CASE("int8: what is NaN or infinite in an image is NaN in what is made of it, and in no other image", "[kernels]") {
  for (const Conv2dShape& shape : shapes)
    for (const float bad : {NAN, INFINITY, -INFINITY})
      for (const InstructionSet set : sets) try {
          INFO(name_of(set) << ", " << bad << ", " << shape.h << "x" << shape.w << "x" << shape.c);
          Problem p = problem(shape, 31, Activation::relu);
          const std::vector<float> good = computed(p, set, 2);
          p.x[0] = bad;  // the first output of the first image meets it
          const std::vector<float> y = computed(p, set, 2);
          CHECK(std::isnan(y[0]));
          CHECK(std::isnan(y[static_cast<std::size_t>(shape.k - 1)]));
          const auto image = static_cast<std::ptrdiff_t>(shape.p * shape.q * shape.k);
          CHECK(std::equal(y.begin() + image, y.end(), good.begin() + image));
        } catch (const DeviceError& e) {
          WARN("not tested: " << e.what());
        }
}

TEST_CASE("activations become bytes in the same way on every instruction set", "[kernels][isa]") {
  const std::vector<float> x{-1e30f, -4.0f, -0.75f, -0.25f, 0.0f, 0.25f, 0.75f, 1.25f, 58.4f, 1e30f, INFINITY, -INFINITY,
                             NAN,    1.0f,  2.0f,   3.0f,   4.0f, 5.0f,  6.0f,  7.0f,  8.0f,  9.0f,  10.0f};
  const std::vector<std::uint8_t> expected{0, 2,  8,  10, 10, 10, 12, 12, 127, 127, 127, 0,
                                           0, 12, 14, 16, 18, 20, 22, 24, 26,  28,  30};
  for (const InstructionSet set : sets) {
    INFO(name_of(set));
    try {
      std::vector<std::uint8_t> bytes(x.size());
      for (const cpu::isa::Int8Kernels* table : tables_of(set)) {
        CHECK_FALSE(table->quantize(x.data(), static_cast<std::int64_t>(x.size()), 2, 10, bytes.data()));
        CHECK(bytes == expected);
        // What is NaN or infinite is seen wherever it lies; what overflows only by the factor is no such thing.
        std::vector<float> values(37, 3e38f);
        bytes.resize(values.size());
        const auto finite = [&] { return table->quantize(values.data(), 37, 1e10f, 10, bytes.data()); };
        CHECK(finite());
        for (float& v : values)
          for (const float bad : {NAN, INFINITY, -INFINITY}) {
            const float good = std::exchange(v, bad);
            CHECK_FALSE(finite());
            v = good;
          }
        bytes.resize(x.size());
      }
    } catch (const DeviceError& e) {
      WARN("not tested: " << e.what());
    }
  }
}

TEST_CASE("int8 matrix products are those of a convolution of 1x1", "[kernels]") {
  const Problem p = problem({7, 1, 1, 50, 19, 1, 1, 1, 1, 1, 0, 0}, 31, Activation::none);
  Stream stream(cpu_backend(), 0, {.threads = 2});
  KeptWeights kept;
  std::vector<float> y(7 * 19);
  const Dims a{7, 50}, b{19, 50}, c{7, 19};
  preparation_of(cpu_backend())
      ->matmul_int8(stream, kept, p.product, {.transpose_b = true}, {p.x.data(), DType::f32, a}, {p.w.data(), DType::f32, b},
                    {p.shift.data(), DType::f32, {19}}, {{y.data(), DType::f32, c}, false})(stream);
  Problem same = p;
  std::ranges::fill(same.scale, 1.0f);
  std::ranges::fill(same.residual, 0.0f);
  CHECK(y == plain(same));
}

TEST_CASE("what has no form in eight bits is refused", "[kernels]") {
  CHECK_FALSE(int8_possible({1, 8, 8, 64, 64, 3, 3, 8, 8, 1, 1, 1, 64}));   // in groups
  CHECK_FALSE(int8_possible({1, 1, 1, 200'000, 10, 1, 1, 1, 1, 1, 0, 0}));  // sums beyond 32 bits
  CHECK(int8_possible({1, 8, 8, 512, 512, 3, 3, 8, 8, 1, 1, 1}));
  Problem p = problem(shapes[0], 0, Activation::none);
  p.product.weight_scales.pop_back();
  CHECK_THROWS_AS(computed(p, InstructionSet::best, 1), MissingKernel);
}
