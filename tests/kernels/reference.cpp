// The reference backend against numbers that come from elsewhere: worked by hand, published, or computed with PyTorch 1.13
// in float64. What all other backends are measured against must itself be measured.
#include <limits>

#include "tests/kernels/on_reference.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::tests;

namespace {

const double NaN = std::numeric_limits<double>::quiet_NaN();
const double Inf = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("philox: the known answers of the Random123 distribution") {
  const auto check = [](const Random4& got, std::vector<std::uint32_t> expected) {
    CHECK(std::vector<std::uint32_t>(got.v, got.v + 4) == expected);
  };
  check(philox(0, Purpose{0}, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  check(philox(~0ull, Purpose{15}, ~0ull >> 4, ~0ull), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // Counter and key are digits of π; the fourth counter word 03707344 has a zero in its top digit: purpose 0.
  check(philox(0x299f31d0a4093822ull, Purpose{0}, 0x0370734413198a2eull, 0x85a308d3243f6a88ull),
        {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("only float32 and float64") {
  Stream s(backend(), 0, {});
  std::uint16_t bits[2] = {};
  const View v{bits, DType::bf16, {2}};
  CHECK_THROWS_WITH(backend().arithmetic(s, Arithmetic::add, v, v, {v, false}),
                    "[arithmetic] backend 'reference' has no such kernel for bfloat16");
}

TEST_CASE("elementwise by hand") {
  Stream s(backend(), 0, {});
  Values y(4);
  backend().activation_forward(s, Activation::relu, view(Values{-1, 0, 2, Inf}, {4}), view(y, {4}));
  CHECK(y == Values{0, 0, 2, Inf});
  backend().activation_forward(s, Activation::relu, view(Values{NaN, 1, 1, 1}, {4}), view(y, {4}));
  CHECK(std::isnan(y[0]));
  // Φ(1), Φ(2) from tables of the normal distribution.
  backend().activation_forward(s, Activation::gelu, view(Values{0, 1, -1, 2}, {4}), view(y, {4}));
  check_close(y, {0, 0.8413447460685429, -0.1586552539314571, 2 * 0.9772498680518208});
  backend().activation_forward(s, Activation::silu, view(Values{0, std::log(3.0), -std::log(3.0), 40}, {4}), view(y, {4}));
  check_close(y, {0, 0.75 * std::log(3.0), -0.25 * std::log(3.0), 40});
  backend().activation_forward(s, Activation::sigmoid, view(Values{0, -Inf, Inf, std::log(3.0)}, {4}), view(y, {4}));
  check_close(y, {0.5, 0, 1, 0.75});
  Values factor{4};
  backend().scale(s, 0.5, view(factor, {}), view(Values{1, 2, 3, 4}, {4}), {view(y, {4}), true});
  check_close(y, {2.5, 4, 7, 8.75});

  // 1x2x3x1: N,H,W,C to N,C,W,H transposes the 2x3 image.
  Values t(6);
  backend().permute(s, {0, 3, 2, 1}, view(Values{1, 2, 3, 4, 5, 6}, {1, 2, 3, 1}), gradient(t, {1, 1, 3, 2}));
  CHECK(t == Values{1, 4, 2, 5, 3, 6});

  Values c{0, 0, 0, 0, 0, 0, 0, 0};
  backend().copy_columns(s, 2, view(Values{1, 2, 3, 4, 5, 6}, {2, 3}), 1, gradient(c, {2, 4}), 2);
  CHECK(c == Values{0, 0, 2, 3, 0, 0, 5, 6});
}

TEST_CASE("arithmetic by hand: one shape, a row and one element") {
  Stream s(backend(), 0, {});
  const auto result = [&](Arithmetic operation, const Values& a, const Values& b) {
    Values y{1, 1, 1, 1};  // added to
    backend().arithmetic(s, operation, view(a, {static_cast<std::int64_t>(a.size())}),
                         view(b, {static_cast<std::int64_t>(b.size())}), {view(y, {2, 2}), true});
    return y;
  };
  check_close(result(Arithmetic::add, {1, 2, 3, 4}, {10, 20, 30, 40}), {12, 23, 34, 45});
  check_close(result(Arithmetic::subtract, {1, 2, 3, 4}, {1, 3}), {1, 0, 3, 2});
  check_close(result(Arithmetic::subtract, {1, 3}, {1, 2, 3, 4}), {1, 2, -1, 0});
  check_close(result(Arithmetic::multiply, {2}, {1, 2, 3, 4}), {3, 5, 7, 9});
  check_close(result(Arithmetic::divide, {1, 2, 3, 4}, {2}), {1.5, 2, 2.5, 3});
}

TEST_CASE("dropout keeps what philox says, and 1 - p of all") {
  Stream s(backend(), 0, {});
  const std::int64_t n = 100'000;
  const Values x(n, 3.0);
  Values y(n);
  const StepState state{.step = 11};
  backend().dropout(s, {.probability = 0.25, .seed = 42, .layer = 6}, &state, view(x, {n}), gradient(y, {n}));
  std::int64_t kept = 0;
  for (double v : y) {
    CHECK((v == 0 || v == Approx(4.0)));
    kept += v != 0;
  }
  CHECK(std::abs(static_cast<double>(kept) - 75'000) < 5 * std::sqrt(n * 0.25 * 0.75));
  // Element 7 is word 3 of block 1 of stream step·2¹⁶ + layer.
  const std::uint32_t word = philox(42, Purpose::dropout, 11 * 65536 + 6, 1).v[3];
  CHECK((y[7] != 0) == (word >= 0x40000000u));
}

TEST_CASE("sums and products by hand") {
  Stream s(backend(), 0, {});
  Values one{10};
  const Values x{1, -2, 3, 4, 5, -6};
  backend().sum(s, 0.5, view(x, {6}), gradient(one, {1}));
  CHECK(one[0] == 2.5);
  backend().sum_of_squares(s, 0.5, view(x, {6}), {view(one, {1}), true});
  CHECK(one[0] == 48);
  Values columns(3);
  backend().column_sums(s, view(x, {1, 2, 3}), gradient(columns, {3}));
  CHECK(columns == Values{5, 3, -3});

  // [1 −2 3; 4 5 −6] · [1 2; 0 1; −1 1] = [−2 3; 10 7], in all four forms.
  const Values a{1, -2, 3, 4, 5, -6}, at{1, 4, -2, 5, 3, -6}, b{1, 2, 0, 1, -1, 1}, bt{1, 0, -1, 2, 1, 1};
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      Values c(4, NaN);
      backend().matmul(s, {.transpose_a = ta, .transpose_b = tb}, ta ? view(at, {3, 2}) : view(a, {2, 3}),
                       tb ? view(bt, {2, 3}) : view(b, {3, 2}), {}, gradient(c, {2, 2}));
      CHECK(c == Values{-2, 3, 10, 7});
      backend().matmul(s, {.transpose_a = ta, .transpose_b = tb, .activation = Activation::relu},
                       ta ? view(at, {3, 2}) : view(a, {2, 3}), tb ? view(bt, {2, 3}) : view(b, {3, 2}),
                       view(Values{1, -8}, {2}), gradient(c, {2, 2}));
      CHECK(c == Values{0, 0, 11, 0});
    }
}

TEST_CASE("convolution by hand") {
  Stream s(backend(), 0, {});
  const Values x{1, 2, 3, 4, 5, 6, 7, 8, 9};
  Values y(9);
  // Nine ones with padding: sums over neighbourhoods.
  backend().conv2d_forward(
      s, {.n = 1, .h = 3, .w = 3, .c = 1, .k = 1, .r = 3, .s = 3, .p = 3, .q = 3, .stride = 1, .pad_top = 1, .pad_left = 1},
      view(x, {1, 3, 3, 1}), view(Values(9, 1.0), {1, 3, 3, 1}), {}, view(y, {1, 3, 3, 1}));
  CHECK(y == Values{12, 21, 16, 27, 45, 33, 24, 39, 28});
  // A filter that tells cross-correlation from convolution and rows from columns.
  Values z(4);
  backend().conv2d_forward(
      s, {.n = 1, .h = 3, .w = 3, .c = 1, .k = 1, .r = 2, .s = 2, .p = 2, .q = 2, .stride = 1, .pad_top = 0, .pad_left = 0},
      view(x, {1, 3, 3, 1}), view(Values{1, 10, 100, 1000}, {1, 2, 2, 1}), {.shift = view(Values{0.5}, {1})},
      view(z, {1, 2, 2, 1}));
  CHECK(z == Values{5421.5, 6532.5, 8754.5, 9865.5});
}

// Another direct formula: the input is copied into an image with explicit zeros, and all three passes come from one loop
// over (output, filter) pairs that scatters, where the reference gathers.
TEST_CASE("convolutions against explicit padding and scattering") {
  const Conv2dShape shapes[] = {
      {.n = 2, .h = 5, .w = 6, .c = 3, .k = 4, .r = 3, .s = 3, .p = 5, .q = 6, .stride = 1, .pad_top = 1, .pad_left = 1},
      {.n = 1, .h = 6, .w = 8, .c = 2, .k = 3, .r = 3, .s = 3, .p = 3, .q = 4, .stride = 2, .pad_top = 0, .pad_left = 0},
      {.n = 2, .h = 5, .w = 4, .c = 3, .k = 2, .r = 1, .s = 1, .p = 3, .q = 2, .stride = 2, .pad_top = 0, .pad_left = 0},
      {.n = 1, .h = 9, .w = 8, .c = 3, .k = 2, .r = 7, .s = 7, .p = 5, .q = 4, .stride = 2, .pad_top = 3, .pad_left = 3},
      {.n = 1, .h = 4, .w = 7, .c = 1, .k = 2, .r = 2, .s = 3, .p = 4, .q = 3, .stride = 2, .pad_top = 3, .pad_left = 1},
  };
  Stream s(backend(), 0, {});
  for (const Conv2dShape& d : shapes) {
    const Dims xs{d.n, d.h, d.w, d.c}, ws{d.k, d.r, d.s, d.c}, ys{d.n, d.p, d.q, d.k};
    const Values x = random(xs, 1), w = random(ws, 2), dy = random(ys, 3);
    const std::int64_t hp = (d.p - 1) * d.stride + d.r + d.h, wp = (d.q - 1) * d.stride + d.s + d.w;  // ample
    const auto padded_at = [&](std::int64_t n, std::int64_t h, std::int64_t v, std::int64_t c) {
      return static_cast<std::size_t>(((n * hp + h) * wp + v) * d.c + c);
    };
    Values padded(static_cast<std::size_t>(d.n * hp * wp * d.c)), dpadded = padded;
    const auto for_each_input = [&](auto&& visit) {
      std::size_t i = 0;
      for (std::int64_t n = 0; n < d.n; ++n)
        for (std::int64_t h = 0; h < d.h; ++h)
          for (std::int64_t v = 0; v < d.w; ++v)
            for (std::int64_t c = 0; c < d.c; ++c) visit(i++, padded_at(n, h + d.pad_top, v + d.pad_left, c));
    };
    for_each_input([&](std::size_t i, std::size_t at) { padded[at] = x[i]; });
    Values y = zeros(ys), dw = zeros(ws), dx = zeros(xs);
    for (std::size_t o = 0; o < y.size(); ++o)
      for (std::size_t f = 0; f < w.size() / static_cast<std::size_t>(d.k); ++f) {
        const std::int64_t oi = static_cast<std::int64_t>(o), fi = static_cast<std::int64_t>(f);
        const std::int64_t k = oi % d.k, q = oi / d.k % d.q, p = oi / d.k / d.q % d.p, n = oi / d.k / d.q / d.p;
        const std::int64_t c = fi % d.c, v = fi / d.c % d.s, r = fi / d.c / d.s;
        const std::size_t in = padded_at(n, p * d.stride + r, q * d.stride + v, c);
        const std::size_t weight = f + static_cast<std::size_t>(k) * (w.size() / static_cast<std::size_t>(d.k));
        y[o] += padded[in] * w[weight];
        dw[weight] += padded[in] * dy[o];
        dpadded[in] += dy[o] * w[weight];
      }
    for_each_input([&](std::size_t i, std::size_t at) { dx[i] = dpadded[at]; });

    Values got_y = zeros(ys), got_dx = zeros(xs), got_dw = zeros(ws);
    backend().conv2d_forward(s, d, view(x, xs), view(w, ws), {}, view(got_y, ys));
    backend().conv2d_backward_data(s, d, view(dy, ys), view(w, ws), gradient(got_dx, xs));
    backend().conv2d_backward_weights(s, d, view(x, xs), view(dy, ys), gradient(got_dw, ws));
    check_close(got_y, y);
    check_close(got_dx, dx);
    check_close(got_dw, dw);
  }
}

TEST_CASE("max pooling by hand: ties, NaN, padding") {
  Stream s(backend(), 0, {});
  const Pool2dShape d{
      .n = 1, .h = 2, .w = 4, .c = 1, .r = 2, .s = 2, .p = 1, .q = 2, .stride = 2, .pad_top = 0, .pad_left = 0};
  Values y(2);
  std::uint8_t index[2] = {9, 9};
  const View winners{index, DType::u8, {1, 1, 2, 1}};
  backend().max_pool_forward(s, d, view(Values{1, 5, NaN, 7, 5, 5, 8, NaN}, {1, 2, 4, 1}), view(y, {1, 1, 2, 1}), winners);
  CHECK(y[0] == 5);
  CHECK(index[0] == 1);  // the first of three fives
  CHECK(std::isnan(y[1]));
  CHECK(index[1] == 0);  // the first NaN
  Values dx(8, NaN);
  backend().max_pool_backward(s, d, view(Values{2, 3}, {1, 1, 2, 1}), winners, gradient(dx, {1, 2, 4, 1}));
  CHECK(dx == Values{0, 2, 3, 0, 0, 0, 0, 0});

  // 3x3 stride 1 padding 1 on a 1x2 image of negative numbers: padding never wins; −Inf can.
  const Pool2dShape padded{
      .n = 1, .h = 1, .w = 2, .c = 1, .r = 3, .s = 3, .p = 1, .q = 2, .stride = 1, .pad_top = 1, .pad_left = 1};
  backend().max_pool_forward(s, padded, view(Values{-4, -3}, {1, 1, 2, 1}), view(y, {1, 1, 2, 1}), winners);
  CHECK(y == Values{-3, -3});
  CHECK((index[0] == 5 && index[1] == 4));
  backend().max_pool_forward(s, padded, view(Values{-Inf, -Inf}, {1, 1, 2, 1}), view(y, {1, 1, 2, 1}), winners);
  CHECK(y == Values{-Inf, -Inf});
  CHECK((index[0] == 4 && index[1] == 3));
}

TEST_CASE("global average pooling by hand") {
  Stream s(backend(), 0, {});
  Values y(2), dx(8);
  backend().global_average_pool_forward(s, view(Values{1, 10, 2, 20, 3, 30, 6, 60}, {1, 2, 2, 2}), view(y, {1, 2}));
  CHECK(y == Values{3, 30});
  // By hand: windows of 2 columns over 1 2 3 with a column of padding on the left.
  const Pool2dShape padded{
      .n = 1, .h = 1, .w = 3, .c = 1, .r = 1, .s = 2, .p = 1, .q = 2, .stride = 2, .pad_top = 0, .pad_left = 1};
  for (bool counted : {false, true}) {
    Values average(2), gradient_of_x(3);
    backend().average_pool_forward(s, padded, counted, view(Values{1, 2, 3}, {1, 1, 3, 1}), view(average, {1, 1, 2, 1}));
    check_close(average, {counted ? 0.5 : 1.0, 2.5});
    backend().average_pool_backward(s, padded, counted, view(Values{4, 6}, {1, 1, 2, 1}),
                                    gradient(gradient_of_x, {1, 1, 3, 1}));
    check_close(gradient_of_x, {counted ? 2.0 : 4.0, 3, 3});
  }
  backend().global_average_pool_backward(s, view(Values{4, 8}, {1, 2}), gradient(dx, {1, 2, 2, 2}));
  CHECK(dx == Values{1, 2, 1, 2, 1, 2, 1, 2});
}

TEST_CASE("batch normalisation: PyTorch's numbers") {
  Stream s(backend(), 0, {});
  const Values x{1, 10, 2, -3, 4, 0.5}, gamma{1.5, -0.5}, beta{0.1, 0.2};
  const Dims d{3, 2}, c{2};
  const BatchNormParams p{.epsilon = 1e-5, .momentum = 0.1, .unbiased_variance = true, .activation = Activation::none};
  Values running_mean{0, 1}, running_var{1, 2}, y(6), mean(2), rstd(2);
  backend().batch_norm_training(s, p, view(x, d), {}, {}, view(gamma, c), view(beta, c), view(running_mean, c),
                                view(running_var, c), view(y, d), view(mean, c), view(rstd, c));
  check_close(
      y, {-1.50356229717545, -0.482759156999213, -0.300890574293862, 0.70069004846609, 2.10445287146931, 0.382069108533123});
  check_close(running_mean, {0.233333333333333, 1.15});
  check_close(running_var, {1.13333333333333, 6.325});
  check_close(mean, {7.0 / 3, 2.5});

  Values dx(6), dgamma(2), dbeta(2);
  backend().batch_norm_backward(s, p, true, view(x, d), {}, view(Values{1, -2, 0.5, 0.25, -1, 3}, d), view(gamma, c),
                                view(mean, c), view(rstd, c), gradient(dx, d), {}, gradient(dgamma, c), gradient(dbeta, c));
  check_close(dx, {-0.0858981279764895, 0.0511965145374029, 0.128859433366076, 0.138961775111627, -0.0429613053895864,
                   -0.19015828964903});
  check_close(dgamma, {-2.53897363719446, -4.07379630342864});
  check_close(dbeta, {0.5, 1.25});

  // A biased running variance (Keras), a residual and ReLU; by hand for x = 1, 2, 3, 4: mean 2.5, variance 1.25.
  const BatchNormParams keras{.epsilon = 0, .momentum = 0.1, .unbiased_variance = false, .activation = Activation::relu};
  Values m{0}, v{1}, out(4), batch_mean(1), batch_rstd(1);
  backend().batch_norm_training(s, keras, view(Values{1, 2, 3, 4}, {4, 1}), {}, view(Values{0, 1, 0, -1}, {4, 1}),
                                view(Values{1}, {1}), view(Values{0}, {1}), view(m, {1}), view(v, {1}), view(out, {4, 1}),
                                view(batch_mean, {1}), view(batch_rstd, {1}));
  const double r = 1 / std::sqrt(1.25);
  check_close(out, {0, 1 - 0.5 * r, 0.5 * r, 1.5 * r - 1});
  check_close(v, {0.9 + 0.125});
}

TEST_CASE("layer normalisation: by hand, for rows 1, 2, 3, 4 and 5, 5, 5, 5") {
  Stream s(backend(), 0, {});
  const Dims d{2, 4}, c{4};
  Values y(8), mean(2), rstd(2), dx(8), dgamma(4), dbeta(4);
  backend().layer_norm_forward(s, 0.25, view(Values{1, 2, 3, 4, 5, 5, 5, 5}, d), view(Values{1, 2, 1, -1}, c),
                               view(Values{0, 1, 0, 3}, c), view(y, d), view(mean, {2}), view(rstd, {2}));
  const double r = 1 / std::sqrt(1.5);  // variance 1.25
  check_close(mean, {2.5, 5});
  check_close(rstd, {r, 2});
  check_close(y, {-1.5 * r, 1 - r, 0.5 * r, 3 - 1.5 * r, 0, 1, 0, 3});
  // With dy = (1, 0, 0, 0) and (0, 0, 0, 2) only Σg/C and x̂·Σ(g·x̂)/C are left in the other columns.
  backend().layer_norm_backward(s, view(Values{1, 2, 3, 4, 5, 5, 5, 5}, d), view(Values{1, 0, 0, 0, 0, 0, 0, 2}, d),
                                view(Values{1, 2, 1, -1}, c), view(mean, {2}), view(rstd, {2}), gradient(dx, d),
                                gradient(dgamma, c), gradient(dbeta, c));
  const double b = -1.5 * r / 4;  // Σ(g·x̂)/C of the first row
  check_close(dx, {r * (0.75 + 1.5 * r * b), r * (-0.25 + 0.5 * r * b), r * (-0.25 - 0.5 * r * b), r * (-0.25 - 1.5 * r * b),
                   1, 1, 1, -3});
  check_close(dgamma, {-1.5 * r, 0, 0, 0});
  check_close(dbeta, {1, 0, 0, 2});
}

TEST_CASE("batch normalisation: a single row has variance 0") {
  Stream s(backend(), 0, {});
  const BatchNormParams p{.epsilon = 0.01, .momentum = 0.5, .unbiased_variance = true, .activation = Activation::none};
  Values m{0}, v{1}, y(1), mean(1), rstd(1);
  backend().batch_norm_training(s, p, view(Values{7}, {1, 1}), {}, {}, view(Values{2}, {1}), view(Values{3}, {1}),
                                view(m, {1}), view(v, {1}), view(y, {1, 1}), view(mean, {1}), view(rstd, {1}));
  check_close({y[0], m[0], v[0], rstd[0]}, {3, 3.5, 0.5, 10});
}

TEST_CASE("batch normalisation: running statistics from a saved mean and rstd are those of the training slot") {
  Stream s(backend(), 0, {});
  const Dims d{3, 2}, c{2};
  const Values x{1, -7, 2, 4, 6, 5};
  for (bool unbiased : {false, true}) {
    const BatchNormParams p{.epsilon = 1e-3, .momentum = 0.3, .unbiased_variance = unbiased, .activation = Activation::none};
    Values m{0.25, 0.5}, v{2, 3}, m_saved = m, v_saved = v, y(6), mean(2), rstd(2);
    backend().batch_norm_training(s, p, view(x, d), {}, {}, view(Values{1, 1}, c), view(Values{0, 0}, c), view(m, c),
                                  view(v, c), view(y, d), view(mean, c), view(rstd, c));
    backend().batch_norm_running(s, p, 3, view(mean, c), view(rstd, c), view(m_saved, c), view(v_saved, c));
    check_close(m_saved, m);
    check_close(v_saved, v);
  }
}

TEST_CASE("cross-entropies: PyTorch's numbers") {
  Stream s(backend(), 0, {});
  const Values z{2, -1, 0.5, 0, 3, -2};
  const std::vector<std::int32_t> labels{0, 2};
  Values losses(2), dz(6);
  const Values one{1};
  backend().softmax_cross_entropy_forward(s, 0, view(z, {2, 3}), view(labels, {2}), view(losses, {2}), {});
  check_close(losses, {0.241311296657157, 5.05498523537715});
  backend().softmax_cross_entropy_forward(s, 0.1, view(z, {2, 3}), view(labels, {2}), view(losses, {2}), {});
  check_close(losses, {0.391311296657157, 4.82165190204381});
  backend().softmax_cross_entropy_backward(s, 0, view(z, {2, 3}), view(labels, {2}), view(one, {}), gradient(dz, {2, 3}));
  check_close(dz, {-0.107201482705362, 0.0195562866353437, 0.0876451960700183, 0.0235617082623321, 0.473249561276447,
                   -0.496811269538779});
  backend().softmax_cross_entropy_backward(s, 0.1, view(z, {2, 3}), view(labels, {2}), view(one, {}), gradient(dz, {2, 3}));
  check_close(dz, {-0.0738681493720287, 0.00288961996867706, 0.0709785294033517, 0.00689504159566541, 0.45658289460978,
                   -0.463477936205446});
  backend().softmax_cross_entropy_forward(s, 0, view(Values{1e4, -1e4, 0, 0, 0, 0}, {2, 3}),
                                          view(std::vector<std::int32_t>{1, 1}, {2}), view(losses, {2}), {});
  check_close(losses, {2e4, std::log(3.0)});

  Values binary(3), dbinary(3);
  const Values logits{0.3, -2, 5};
  const std::vector<std::int32_t> targets{1, 0, 0};
  backend().sigmoid_cross_entropy_forward(s, 0, view(logits, {3, 1}), view(targets, {3}), view(binary, {3}));
  check_close(binary, {0.554355244468527, 0.126928011042973, 5.00671534848912});
  backend().sigmoid_cross_entropy_backward(s, 0, view(logits, {3, 1}), view(targets, {3}), view(one, {}),
                                           gradient(dbinary, {3, 1}));
  check_close(dbinary, {-0.141852494396114, 0.0397343073407058, 0.331102383025238});
  // Smoothed: t = 0.9, 0.1, 0.1, so the loss is less by z·(t − label) and the gradient by (t − label)/3.
  backend().sigmoid_cross_entropy_forward(s, 0.2, view(logits, {3, 1}), view(targets, {3}), view(binary, {3}));
  check_close(binary, {0.554355244468527 + 0.3 * 0.1, 0.126928011042973 + 2 * 0.1, 5.00671534848912 - 5 * 0.1});
}

TEST_CASE("metrics by hand") {
  Stream s(backend(), 0, {});
  Metrics m{.correct = 1, .samples = 1};
  const Values loss{0.5};
  const Values logits{9, 1,   2, 3, 4, 5, 6,   // label 0: first
                      9, 9,   2, 3, 4, 5, 6,   // label 1: tied with a lower index, rank 1
                      9, 1,   2, 3, 4, 5, 6,   // label 3: four greater, rank 4
                      9, 1,   2, 3, 4, 5, 6,   // label 2: rank 5
                      9, NaN, 2, 3, 4, 5, 6,   // label 0: NaN counts as greater, rank 1
                      9, NaN, 2, 3, 4, 5, 6};  // label 1: NaN itself, last
  backend().classification_metrics(s, 1, view(logits, {6, 7}), view(std::vector<std::int32_t>{0, 1, 3, 2, 0, 1}, {6}),
                                   view(loss, {}), &m);
  CHECK(m.correct == 2);
  CHECK(m.correct_top5 == 4);
  CHECK(m.samples == 7);
  CHECK(m.batches == 1);
  CHECK(m.loss_sum == 3);
  CHECK(m.batch_loss_sum == 0.5);
  backend().classification_metrics(s, 0.25, view(logits, {6, 7}), view(std::vector<std::int32_t>{0, 1, 3, 2, 0, 1}, {6}),
                                   view(loss, {}), &m);
  CHECK(m.batches == 1.25);
  CHECK(m.batch_loss_sum == 0.625);
  CHECK(m.loss_sum == 6);
  Metrics binary;
  backend().classification_metrics(s, 1, view(Values{0.1, -0.1, 0, 2, NaN}, {5, 1}),
                                   view(std::vector<std::int32_t>{1, 1, 0, 0, 0}, {5}), view(loss, {}), &binary);
  CHECK(binary.correct == 3);
  CHECK(binary.correct_top5 == 3);
}

TEST_CASE("gather: pad, crop and flip done one after another") {
  Stream s(backend(), 0, {});
  constexpr std::int64_t count = 9, h = 4, w = 5, c = 2, pad = 2, n = 8, position = 1;
  std::vector<std::uint8_t> images(count * h * w * c);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(7 * i);
  std::vector<std::int32_t> labels(count), order{8, 3, 0, 5, 1, 7, 2, 4, 6};
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(100 + i);
  GatherParams p{.crop_padding = pad, .flip = true, .seed = 5};
  p.mean[0] = 0.5f, p.mean[1] = 0.25f, p.std[0] = 0.5f, p.std[1] = 2;
  const StepState state{.epoch = 3, .position = position};
  Values x(n * h * w * c);
  std::vector<std::int32_t> y(n);
  backend().gather_batch(s, p, &state, {images.data(), DType::u8, {count, h, w, c}}, view(labels, {count}),
                         view(order, {count}), view(x, {n, h, w, c}), {y.data(), DType::i32, {n}});
  int flips = 0, shifts = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t sample = order[position + i];
    CHECK(y[i] == 100 + sample);
    const Random4 random = philox(5, Purpose::augment, 3, static_cast<std::uint64_t>(sample));
    const std::int64_t top = random.v[0] % 5, left = random.v[1] % 5;
    const bool flip = random.v[2] & 1;
    flips += flip;
    shifts += top != pad || left != pad;
    double padded[h + 2 * pad][w + 2 * pad][c] = {};
    for (std::int64_t a = 0; a < h; ++a)
      for (std::int64_t b = 0; b < w; ++b)
        for (std::int64_t k = 0; k < c; ++k)
          padded[a + pad][b + pad][k] =
              (images[static_cast<std::size_t>(((sample * h + a) * w + b) * c + k)] / 255.0 - (k ? 0.25 : 0.5)) /
              (k ? 2 : 0.5);
    for (std::int64_t a = 0; a < h; ++a)
      for (std::int64_t b = 0; b < w; ++b)
        for (std::int64_t k = 0; k < c; ++k)
          CHECK(x[((i * h + static_cast<std::size_t>(a)) * w + static_cast<std::size_t>(flip ? w - 1 - b : b)) * c +
                  static_cast<std::size_t>(k)] == Approx(padded[a + top][b + left][k]).margin(1e-15));
  }
  CHECK((flips > 0 && flips < n));
  CHECK(shifts > 0);
}
