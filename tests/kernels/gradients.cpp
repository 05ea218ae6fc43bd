// Every backward slot of the reference against central differences of its forward slot, in float64.
#include <functional>

#include "tests/kernels/on_reference.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::tests;

namespace {

// dL/dx of the scalar L(x), one element at a time. Truncation is of the order h²; rounding of 10⁻¹⁶/h.
Values numeric_gradient(const std::function<double(const Values&)>& loss, Values x) {
  constexpr double h = 1e-5;
  Values g(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + h;
    const double above = loss(x);
    x[i] = at - h;
    g[i] = (above - loss(x)) / (2 * h);
    x[i] = at;
  }
  return g;
}

void check_gradient(const char* of, const Values& got, const std::function<double(const Values&)>& loss, const Values& x) {
  INFO("gradient of " << of);
  check_close(got, numeric_gradient(loss, x), 1e-6);
}

// Away from 0 by at least 0.1, so that no difference crosses the kink of ReLU.
Values away_from_zero(Values v) {
  for (double& e : v) e += e < 0 ? -0.1 : 0.1;
  return v;
}

}  // namespace

TEST_CASE("gradients: activations") {
  Stream s(backend(), 0, {});
  const Dims d{23};
  const Values x = away_from_zero(random(d, 1)), u = random(d, 2);
  for (const ActivationEntry& entry : activations) {
    const Activation f = entry.activation;
    INFO(entry.name);
    const auto forward = [&](const Values& at) {
      Values y = zeros(d);
      backend().activation_forward(s, f, view(at, d), view(y, d));
      return y;
    };
    const Values y = forward(x);
    Values dx = zeros(d);
    backend().activation_backward(s, f, view(entry.needs_input ? x : y, d), view(u, d), gradient(dx, d));
    check_gradient(
        "x", dx, [&](const Values& at) { return dot(u, forward(at)); }, x);
  }
}

TEST_CASE("gradients: slots that are linear and their own or each other's adjoint") {
  Stream s(backend(), 0, {});
  const Dims d{2, 3, 4, 5}, permuted{2, 5, 3, 4};
  const Values x = random(d, 1), u = random(d, 2), v = random(permuted, 3);
  const StepState state{.step = 4};
  const DropoutParams p{.probability = 0.4, .seed = 8, .layer = 1};
  const auto dropout = [&](const Values& at) {
    Values y = zeros(d);
    backend().dropout(s, p, &state, view(at, d), gradient(y, d));
    return y;
  };
  check_gradient(
      "dropout", dropout(u), [&](const Values& at) { return dot(u, dropout(at)); }, x);

  const auto permute = [&](const Values& at) {
    Values y = zeros(permuted);
    backend().permute(s, {0, 3, 1, 2}, view(at, d), gradient(y, permuted));
    return y;
  };
  Values dx = zeros(d);
  backend().permute(s, {0, 2, 3, 1}, view(v, permuted), gradient(dx, d));
  check_gradient(
      "permute", dx, [&](const Values& at) { return dot(v, permute(at)); }, x);
}

TEST_CASE("gradients: matmul with bias") {
  Stream s(backend(), 0, {});
  const Dims as{3, 4}, bs{5, 4}, cs{3, 5}, n{5};
  const Values a = random(as, 1), b = random(bs, 2), bias = random(n, 3), u = random(cs, 4);
  const auto loss = [&](const Values& a1, const Values& b1, const Values& bias1) {
    Values c = zeros(cs);
    backend().matmul(s, {.transpose_b = true}, view(a1, as), view(b1, bs), view(bias1, n), gradient(c, cs));
    return dot(u, c);
  };
  Values da = zeros(as), db = zeros(bs), dbias = zeros(n);
  backend().matmul(s, {}, view(u, cs), view(b, bs), {}, gradient(da, as));
  backend().matmul(s, {.transpose_a = true}, view(u, cs), view(a, as), {}, gradient(db, bs));
  backend().column_sums(s, view(u, cs), gradient(dbias, n));
  check_gradient(
      "a", da, [&](const Values& at) { return loss(at, b, bias); }, a);
  check_gradient(
      "b", db, [&](const Values& at) { return loss(a, at, bias); }, b);
  check_gradient(
      "bias", dbias, [&](const Values& at) { return loss(a, b, at); }, bias);
}

TEST_CASE("gradients: convolution") {
  Stream s(backend(), 0, {});
  const Conv2dShape shapes[] = {
      {.n = 2, .h = 4, .w = 5, .c = 2, .k = 3, .r = 3, .s = 3, .p = 4, .q = 5, .stride = 1, .pad_top = 1, .pad_left = 1},
      {.n = 1, .h = 6, .w = 4, .c = 2, .k = 2, .r = 3, .s = 3, .p = 3, .q = 2, .stride = 2, .pad_top = 0, .pad_left = 0},
      {.n = 1, .h = 5, .w = 4, .c = 3, .k = 2, .r = 1, .s = 1, .p = 3, .q = 2, .stride = 2, .pad_top = 0, .pad_left = 0},
      {.n = 2, .h = 6, .w = 5, .c = 1, .k = 2, .r = 5, .s = 5, .p = 2, .q = 1, .stride = 1, .pad_top = 0, .pad_left = 0},
  };
  for (const Conv2dShape& d : shapes) {
    const Dims xs{d.n, d.h, d.w, d.c}, ws{d.k, d.r, d.s, d.c}, ys{d.n, d.p, d.q, d.k}, bs{d.k};
    const Values x = random(xs, 1), w = random(ws, 2), bias = random(bs, 3), u = random(ys, 4);
    const auto loss = [&](const Values& x1, const Values& w1, const Values& b1) {
      Values y = zeros(ys);
      backend().conv2d_forward(s, d, view(x1, xs), view(w1, ws), {.shift = view(b1, bs)}, view(y, ys));
      return dot(u, y);
    };
    Values dx = zeros(xs), dw = zeros(ws), db = zeros(bs);
    backend().conv2d_backward_data(s, d, view(u, ys), view(w, ws), gradient(dx, xs));
    backend().conv2d_backward_weights(s, d, view(x, xs), view(u, ys), gradient(dw, ws));
    backend().column_sums(s, view(u, ys), gradient(db, bs));
    check_gradient(
        "x", dx, [&](const Values& at) { return loss(at, w, bias); }, x);
    check_gradient(
        "w", dw, [&](const Values& at) { return loss(x, at, bias); }, w);
    check_gradient(
        "bias", db, [&](const Values& at) { return loss(x, w, at); }, bias);
  }
}

TEST_CASE("gradients: pooling") {
  Stream s(backend(), 0, {});
  const Pool2dShape shapes[] = {
      {.n = 2, .h = 4, .w = 6, .c = 2, .r = 2, .s = 2, .p = 2, .q = 3, .stride = 2, .pad_top = 0, .pad_left = 0},
      {.n = 1, .h = 6, .w = 6, .c = 3, .r = 3, .s = 3, .p = 3, .q = 3, .stride = 2, .pad_top = 0, .pad_left = 0},
      {.n = 1, .h = 4, .w = 5, .c = 2, .r = 3, .s = 3, .p = 4, .q = 5, .stride = 1, .pad_top = 1, .pad_left = 1},
  };
  for (const Pool2dShape& d : shapes) {
    const Dims xs{d.n, d.h, d.w, d.c}, ys{d.n, d.p, d.q, d.c};
    const Values x = random(xs, 1), u = random(ys, 2);
    Values y = zeros(ys), dx = zeros(xs);
    std::vector<std::uint8_t> index(y.size());
    const View winners{index.data(), DType::u8, ys};
    backend().max_pool_forward(s, d, view(x, xs), view(y, ys), winners);
    backend().max_pool_backward(s, d, view(u, ys), winners, gradient(dx, xs));
    const auto loss = [&](const Values& at) {
      Values out = zeros(ys);
      backend().max_pool_forward(s, d, view(at, xs), view(out, ys), {});
      return dot(u, out);
    };
    check_gradient("x", dx, loss, x);
  }
  const Dims xs{2, 3, 4, 5}, ys{2, 5};
  const Values x = random(xs, 1), u = random(ys, 2);
  Values dx = zeros(xs);
  backend().global_average_pool_backward(s, view(u, ys), gradient(dx, xs));
  const auto loss = [&](const Values& at) {
    Values out = zeros(ys);
    backend().global_average_pool_forward(s, view(at, xs), view(out, ys));
    return dot(u, out);
  };
  check_gradient("global average", dx, loss, x);
}

TEST_CASE("gradients: batch normalisation") {
  Stream s(backend(), 0, {});
  const Dims d{2, 3, 2, 3}, c{3};
  const Values x = random(d, 1), residual = random(d, 2), beta = random(c, 4), u = random(d, 5);
  Values gamma = random(c, 3), running_mean = random(c, 6), running_var = random(c, 7);
  for (double& v : running_var) v += 1.5;
  for (bool training : {true, false})
    for (Activation f : {Activation::none, Activation::relu}) {
      const BatchNormParams p{.epsilon = 1e-3, .momentum = 0.1, .unbiased_variance = true, .activation = f};
      Values mean = running_mean, rstd = zeros(c);
      const auto forward = [&](const Values& x1, const Values& r1, const Values& g1, const Values& b1) {
        Values y = zeros(d), unused_mean = running_mean, unused_var = running_var;
        if (training)
          backend().batch_norm_training(s, p, view(x1, d), {}, view(r1, d), view(g1, c), view(b1, c), view(unused_mean, c),
                                        view(unused_var, c), view(y, d), view(mean, c), view(rstd, c));
        else
          backend().batch_norm_inference(s, p, view(x1, d), view(r1, d), view(g1, c), view(b1, c), view(running_mean, c),
                                         view(running_var, c), view(y, d), view(rstd, c));
        return y;
      };
      const Values y = forward(x, residual, gamma, beta);
      Values dx = zeros(d), dresidual = zeros(d), dgamma = zeros(c), dbeta = zeros(c);
      backend().batch_norm_backward(s, p, training, view(x, d), view(y, d), view(u, d), view(gamma, c), view(mean, c),
                                    view(rstd, c), gradient(dx, d), gradient(dresidual, d), gradient(dgamma, c),
                                    gradient(dbeta, c));
      check_gradient(
          "x", dx, [&](const Values& at) { return dot(u, forward(at, residual, gamma, beta)); }, x);
      check_gradient(
          "residual", dresidual, [&](const Values& at) { return dot(u, forward(x, at, gamma, beta)); }, residual);
      check_gradient(
          "gamma", dgamma, [&](const Values& at) { return dot(u, forward(x, residual, at, beta)); }, gamma);
      check_gradient(
          "beta", dbeta, [&](const Values& at) { return dot(u, forward(x, residual, gamma, at)); }, beta);
    }
}

TEST_CASE("gradients: cross-entropies") {
  Stream s(backend(), 0, {});
  const Dims zs{4, 5}, n{4}, bs{4, 1};
  const Values z = random(zs, 1), zb = random(bs, 2), dloss{0.7};
  const std::vector<std::int32_t> labels{0, 4, 2, 2}, targets{1, 0, 0, 1};
  const auto mean = [](const Values& v) { return dot(v, Values(v.size(), 1.0 / static_cast<double>(v.size()))); };
  for (double smoothing : {0.0, 0.1}) {
    const auto loss = [&](const Values& at) {
      Values losses = zeros(n);
      backend().softmax_cross_entropy_forward(s, smoothing, view(at, zs), view(labels, n), view(losses, n), {});
      return 0.7 * mean(losses);
    };
    Values dz = zeros(zs);
    backend().softmax_cross_entropy_backward(s, smoothing, view(z, zs), view(labels, n), view(dloss, {}), gradient(dz, zs));
    check_gradient("logits", dz, loss, z);
  }
  for (double smoothing : {0.0, 0.3}) {
    const auto loss = [&](const Values& at) {
      Values losses = zeros(n);
      backend().sigmoid_cross_entropy_forward(s, smoothing, view(at, bs), view(targets, n), view(losses, n));
      return 0.7 * mean(losses);
    };
    Values dz = zeros(bs);
    backend().sigmoid_cross_entropy_backward(s, smoothing, view(zb, bs), view(targets, n), view(dloss, {}),
                                             gradient(dz, bs));
    check_gradient("binary logits", dz, loss, zb);
  }
}
