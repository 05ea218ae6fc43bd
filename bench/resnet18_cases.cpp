#include "bench/resnet18_cases.h"

#include <random>

namespace tessera::bench {
namespace {

using namespace kernels;
using namespace cases;

// Fills as cheap as can be, since operands are large: a table of draws, of a prime length so that rows do not repeat.
std::vector<double> draws(const std::function<double(std::mt19937&)>& one) {
  std::mt19937 generator(1);
  std::vector<double> values(65'537);
  for (double& v : values) v = one(generator);
  return values;
}
const Fill& normals() {
  static const Fill fill = listed(draws([](std::mt19937& g) { return std::normal_distribution<double>()(g); }));
  return fill;
}
const Fill& about_one() {
  static const Fill fill =
      listed(draws([](std::mt19937& g) { return std::uniform_real_distribution<double>(0.8, 1.25)(g); }));
  return fill;
}
const Fill& half_zero() {  // what ReLU leaves
  static const Fill fill =
      listed(draws([](std::mt19937& g) { return std::max(0.0, std::normal_distribution<double>()(g)); }));
  return fill;
}
Fill numbers(std::int64_t below) {
  return [below](std::uint64_t, std::int64_t i) { return static_cast<double>(i * 7919 % below); };
}

Operand parameter(const char* name, Dims dims, const Fill& fill = normals()) {
  return input(name, dims, fill, Element::parameter);
}

class Step {
 public:
  Step(std::int64_t batch, std::int64_t width, bool bf16) : n_(batch), width_(width), bf16_(bf16) {}

  std::vector<StepKernel> all() {
    convolution({.h = 32, .c = 3, .k = width_, .r = 3, .stride = 1}, 1, false);
    for (int stage = 0; stage < 4; ++stage) {
      const std::int64_t size = 32 >> stage, channels = width_ << stage;
      if (stage > 0) {
        convolution({.h = 2 * size, .c = channels / 2, .k = channels, .r = 3, .stride = 2}, 1, true);
        convolution({.h = 2 * size, .c = channels / 2, .k = channels, .r = 1, .stride = 2}, 1, true);
      }
      convolution({.h = size, .c = channels, .k = channels, .r = 3, .stride = 1}, stage == 0 ? 4 : 3, true);
    }
    for (int stage = 0; stage < 4; ++stage) {
      const Dims x{n_, 32 >> stage, 32 >> stage, width_ << stage};
      if (stage > 0) batch_norm(x, Activation::none, false, 1);  // of the shortcut
      batch_norm(x, Activation::relu, false, stage == 0 ? 3 : 2);
      batch_norm(x, Activation::relu, true, 2);
    }
    max_pool();
    head();
    update();
    return std::move(kernels_);
  }

 private:
  struct Convolution {
    std::int64_t h, c, k, r, stride;  // square
  };

  void add(SlotCase one, int calls) { kernels_.push_back({std::move(one), calls}); }

  void convolution(const Convolution& v, int calls, bool wants_dx) {
    const std::int64_t p = v.h / v.stride, before = v.r == 3 && v.stride == 1 ? 1 : 0;
    const Conv2dShape d{.n = n_,
                        .h = v.h,
                        .w = v.h,
                        .c = v.c,
                        .k = v.k,
                        .r = v.r,
                        .s = v.r,
                        .p = p,
                        .q = p,
                        .stride = v.stride,
                        .pad_top = before,
                        .pad_left = before};
    const auto number = [](std::int64_t value) { return std::to_string(value); };
    const std::string text = number(v.r) + "x" + number(v.r) + (v.stride == 2 ? "/2 " : " ") + number(v.c) + "->" +
                             number(v.k) + " @" + number(v.h);
    const Dims x{n_, v.h, v.h, v.c}, w{v.k, v.r, v.r, v.c}, y{n_, p, p, v.k};
    const double flops = 2.0 * static_cast<double>(y.count()) * static_cast<double>(v.r * v.r * v.c);
    const std::int64_t slices = (n_ * p * p + statistics_rows - 1) / statistics_rows;
    weights_ += w.count();
    weights_ += static_cast<std::int64_t>(calls - 1) * w.count() + 2 * calls * v.k;  // with batch norm's gamma and beta

    add({.slot = "conv2d_forward_statistics",
         .variant = text,
         .operands = {input("x", x, half_zero()), input("w", w, normals()), output("y", y),
                      output("statistics", {slices, 2, v.k}, Element::parameter)},
         .call =
             [d](Stream& s, const Operands& o) {
               s.backend.conv2d_forward_statistics(s, d, o["x"], o["w"], {}, o["y"], o["statistics"]);
             },
         .flops = flops},
        calls);
    add({.slot = "conv2d_forward",
         .variant = text,
         .operands = {input("x", x, half_zero()), input("w", w, normals()), output("y", y)},
         .call = [d](Stream& s, const Operands& o) { s.backend.conv2d_forward(s, d, o["x"], o["w"], {}, o["y"]); },
         .flops = flops},
        0);
    if (wants_dx)
      add({.slot = "conv2d_backward_data",
           .variant = text,
           .operands = {input("dy", y, normals()), input("w", w, normals()), gradient("dx", x)},
           .call = [d](Stream& s,
                       const Operands& o) { s.backend.conv2d_backward_data(s, d, o["dy"], o["w"], o.gradient("dx")); },
           .flops = flops},
          calls);
    add({.slot = "conv2d_backward_weights",
         .variant = text,
         .operands = {input("x", x, half_zero()), input("dy", y, normals()), gradient("dw", w, Element::parameter)},
         .call = [d](Stream& s,
                     const Operands& o) { s.backend.conv2d_backward_weights(s, d, o["x"], o["dy"], o.gradient("dw")); },
         .flops = flops},
        calls);
  }

  void batch_norm(const Dims& x, Activation f, bool residual, int calls) {
    const Dims c{x.last()};
    const std::int64_t slices = (x.count() / x.last() + statistics_rows - 1) / statistics_rows;
    const BatchNormParams p{.epsilon = 1e-3, .momentum = 0.01, .unbiased_variance = false, .activation = f};
    const std::string text = extents(x) + (residual ? " add" : "") + (f == Activation::relu ? " relu" : "");
    SlotCase forward{
        .slot = "batch_norm_training",
        .variant = text,
        .operands = {input("x", x, normals()), parameter("statistics", {slices, 2, x.last()}, about_one()),
                     parameter("gamma", c), parameter("beta", c), in_out("running_mean", c, normals(), Element::parameter),
                     in_out("running_var", c, about_one(), Element::parameter), output("y", x),
                     output("mean", c, Element::parameter), output("rstd", c, Element::parameter)},
        .call =
            [p](Stream& s, const Operands& o) {
              s.backend.batch_norm_training(s, p, o["x"], o.optional("statistics"), o.optional("residual"), o["gamma"],
                                            o["beta"], o["running_mean"], o["running_var"], o["y"], o["mean"], o["rstd"]);
            },
        .flops = 4.0 * static_cast<double>(x.count())};
    if (residual) forward.operands.push_back(input("residual", x, normals()));
    SlotCase alone = forward;  // as where the convolution hands over no sums: what a library's kernel does
    alone.variant += " from x alone";
    std::erase_if(alone.operands, [](const Operand& o) { return o.name == "statistics"; });
    kernels_.push_back({.slot_case = std::move(forward), .calls = calls, .ours_alone = true});
    add(std::move(alone), 0);

    SlotCase backward{.slot = "batch_norm_backward",
                      .variant = text,
                      .operands = {input("x", x, normals()), input("dy", x, normals()), parameter("gamma", c),
                                   parameter("mean", c), parameter("rstd", c, about_one()), gradient("dx", x),
                                   gradient("dgamma", c, Element::parameter), gradient("dbeta", c, Element::parameter)},
                      .call =
                          [p](Stream& s, const Operands& o) {
                            s.backend.batch_norm_backward(s, p, true, o["x"], o.optional("y"), o["dy"], o["gamma"],
                                                          o["mean"], o["rstd"], o.gradient("dx"),
                                                          o.optional_gradient("dresidual"), o.gradient("dgamma"),
                                                          o.gradient("dbeta"));
                          },
                      .flops = 11.0 * static_cast<double>(x.count())};
    if (f == Activation::relu) backward.operands.push_back(input("y", x, half_zero()));
    if (residual) backward.operands.push_back(gradient("dresidual", x));
    add(std::move(backward), calls);
  }

  // ResNet-18 for small images has none; other networks do, behind a first convolution of this size.
  void max_pool() {
    const Pool2dShape d{
        .n = n_, .h = 32, .w = 32, .c = width_, .r = 2, .s = 2, .p = 16, .q = 16, .stride = 2, .pad_top = 0, .pad_left = 0};
    const Dims x{d.n, d.h, d.w, d.c}, y{d.n, d.p, d.q, d.c};
    const std::string text = "2x2/2 " + extents(x);
    add({.slot = "max_pool_forward",
         .variant = text,
         .operands = {input("x", x, normals()), output("y", y), output("index", y, Element::u8)},
         .call = [d](Stream& s, const Operands& o) { s.backend.max_pool_forward(s, d, o["x"], o["y"], o["index"]); }},
        0);
    add({.slot = "max_pool_backward",
         .variant = text,
         .operands = {input("dy", y, normals()), input("index", y, numbers(4), Element::u8), gradient("dx", x)},
         .call = [d](Stream& s,
                     const Operands& o) { s.backend.max_pool_backward(s, d, o["dy"], o["index"], o.gradient("dx")); }},
        0);
  }

  void head() {
    const std::int64_t features = 8 * width_, classes = 10;
    const Dims x{n_, 4, 4, features}, rows{n_, features}, logits{n_, classes}, w{classes, features};
    weights_ += w.count() + classes;
    add({.slot = "global_average_pool_forward",
         .variant = extents(x),
         .operands = {input("x", x, half_zero()), output("y", rows)},
         .call = [](Stream& s, const Operands& o) { s.backend.global_average_pool_forward(s, o["x"], o["y"]); }},
        1);
    add({.slot = "global_average_pool_backward",
         .variant = extents(x),
         .operands = {input("dy", rows, normals()), gradient("dx", x)},
         .call = [](Stream& s, const Operands& o) { s.backend.global_average_pool_backward(s, o["dy"], o.gradient("dx")); }},
        1);
    product("logits", {.transpose_b = true}, input("a", rows, normals()), input("b", w, normals()), gradient("c", logits),
            true);
    product("gradient of x", {}, input("a", logits, normals()), input("b", w, normals()), gradient("c", rows), false);
    product("gradient of w", {.transpose_a = true}, input("a", logits, normals()), input("b", rows, normals()),
            gradient("c", w, Element::parameter), false);
    const Operand labels = input("labels", {n_}, numbers(classes), Element::i32);
    add({.slot = "softmax_cross_entropy_forward",
         .variant = extents(logits),
         .operands = {parameter("logits", logits), labels, output("losses", {n_}, Element::parameter)},
         .call =
             [](Stream& s, const Operands& o) {
               s.backend.softmax_cross_entropy_forward(s, 0, o["logits"], o["labels"], o["losses"]);
             }},
        1);
    add({.slot = "softmax_cross_entropy_backward",
         .variant = extents(logits),
         .operands = {parameter("logits", logits), labels, parameter("dloss", {}),
                      gradient("dlogits", logits, Element::parameter)},
         .call =
             [](Stream& s, const Operands& o) {
               s.backend.softmax_cross_entropy_backward(s, 0, o["logits"], o["labels"], o["dloss"], o.gradient("dlogits"));
             }},
        1);
  }

  void product(const char* what, const MatmulParams& p, Operand a, Operand b, Operand c, bool bias) {
    const std::int64_t inner = p.transpose_a ? a.dims[0] : a.dims[1];
    SlotCase one{
        .slot = "matmul",
        .variant = std::string(what) + " " + extents(c.dims) + " over " + std::to_string(inner),
        .operands = {},
        .call = [p](Stream& s,
                    const Operands& o) { s.backend.matmul(s, p, o["a"], o["b"], o.optional("bias"), o.gradient("c")); },
        .flops = 2.0 * static_cast<double>(c.dims.count()) * static_cast<double>(inner)};
    if (bias) one.operands.push_back(parameter("bias", {c.dims[1]}));
    for (Operand* operand : {&a, &b, &c}) one.operands.push_back(std::move(*operand));
    add(std::move(one), 1);
  }

  void update() {
    const Dims all{weights_};
    const std::int64_t images = 8 * n_;
    add({.slot = "gather_batch",
         .variant = std::to_string(n_) + " images",
         .operands = {step_state({}), input("images", {images, 32, 32, 3}, numbers(251), Element::u8),
                      input("labels", {images}, numbers(10), Element::i32),
                      input("order", {n_}, numbers(images), Element::i32), output("x", {n_, 32, 32, 3}),
                      output("y", {n_}, Element::i32)},
         .call =
             [](Stream& s, const Operands& o) {
               s.backend.gather_batch(s, {.crop_padding = 4, .flip = true}, o.as<StepState>("state"), o["images"],
                                      o["labels"], o["order"], o["x"], o["y"]);
             }},
        1);
    add({.slot = "check_finite",
         .variant = std::to_string(weights_),
         .operands = {parameter("x", all), step_guard({}, Role::in_out)},
         .call = [](Stream& s, const Operands& o) { s.backend.check_finite(s, o["x"], o.as<StepGuard>("guard")); }},
        1);
    const AdamParams adam{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7, .weight_decay = 0, .form = AdamForm::keras};
    const SgdParams sgd{.momentum = 0.9, .weight_decay = 5e-4, .nesterov = true};
    const auto optimiser = [&](const char* slot, std::vector<const char*> moments, double flops,
                               std::function<void(Stream&, const Operands&)> call, int calls) {
      SlotCase one{.slot = slot,
                   .variant = std::to_string(weights_),
                   .operands = {step_state({.step = 4, .learning_rate = {1e-4}}), step_guard({}), parameter("gradient", all),
                                in_out("weights", all, normals(), Element::parameter)},
                   .call = std::move(call),
                   .flops = flops * static_cast<double>(weights_)};
      for (const char* moment : moments) one.operands.push_back(in_out(moment, all, about_one(), Element::parameter));
      if (bf16_) one.operands.push_back(output("copy", all, Element::bf16));
      add(std::move(one), calls);
    };
    optimiser(
        "adam_step", {"moment1", "moment2"}, 13,
        [adam](Stream& s, const Operands& o) {
          s.backend.adam_step(s, adam, o.as<StepState>("state"), o.as<StepGuard>("guard"), o["gradient"], o["weights"],
                              o["moment1"], o["moment2"], o.optional("copy"));
        },
        1);
    optimiser(
        "sgd_step", {"velocity"}, 6,
        [sgd](Stream& s, const Operands& o) {
          s.backend.sgd_step(s, sgd, o.as<StepState>("state"), o.as<StepGuard>("guard"), o["gradient"], o["weights"],
                             o["velocity"], o.optional("copy"));
        },
        0);
  }

  std::int64_t n_, width_, weights_ = 0;
  bool bf16_;
  std::vector<StepKernel> kernels_;
};

}  // namespace

std::vector<StepKernel> resnet18_cases(std::int64_t batch, std::int64_t width, bool bf16) {
  return Step(batch, width, bf16).all();
}

}  // namespace tessera::bench
