// Cases of batch_norm_training, batch_norm_inference and batch_norm_backward.
#include <algorithm>

#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

constexpr double large_mean = 1000;
// A float32 near 1000 is known to 3e-5, and so is x − mean: as a share of the largest |y| ≈ 4, about 1e-5.
constexpr double large_mean_tolerance = 3e-5;

struct Shape {
  Dims x;
  Size size = Size::quick;
};

std::vector<Shape> shapes() {
  return {{{1, 1}},
          {{1, 33}},
          {{2, 3}},
          {{31, 65}},
          {{65, 31}},
          {{128, 64}},
          {{2, 5, 7, 16}},
          {{3, 4, 4, 127}},
          {{257, 1}},
          {{1, 9, 7, 129}},
          {{2, 2, 2, 33}},
          {{513, 5}},
          {{520, 65}},   // several slices, tiles of columns,
          {{2085, 24}},  // and packs: beyond what one block takes
          {{128, 8, 8, 64}, Size::medium},
          {{128, 4, 4, 512}, Size::medium},
          {{32, 32, 32, 64}, Size::bench},
          {{32, 16, 16, 128}, Size::bench},
          {{32, 8, 8, 256}, Size::bench},
          {{32, 4, 4, 512}, Size::bench}};
}

struct Forward {
  Dims x;
  Size size = Size::quick;
  bool residual = false;
  Activation activation = Activation::none;
  double mean = 0.5, deviation = 2;
  bool unbiased = true;
  bool want_rstd = true;  // inference only
  double tolerance = 1e-5;
  bool statistics = false;  // training: given
};

std::string variant(const Forward& f) {
  return extents(f.x) + (f.residual ? " residual" : "") + (f.activation == Activation::relu ? " relu" : "") +
         (f.mean == large_mean ? " mean 1000" : "") + (f.deviation == 0 ? " constant" : "") + (f.unbiased ? "" : " biased") +
         (f.statistics ? " given statistics" : "");
}

void add_training(std::vector<SlotCase>& all, const Forward& f) {
  const Dims c{f.x.last()};
  const BatchNormParams p{.epsilon = 1e-5, .momentum = 0.1, .unbiased_variance = f.unbiased, .activation = f.activation};
  SlotCase one{
      .slot = "batch_norm_training",
      .variant = variant(f),
      .operands = {input("x", f.x, normal(f.mean, f.deviation)), input("gamma", c, normal(1, 0.3), Element::parameter),
                   input("beta", c, normal(), Element::parameter), in_out("running_mean", c, normal(), Element::parameter),
                   in_out("running_var", c, uniform(0.5, 2), Element::parameter), output("y", f.x),
                   output("mean", c, Element::parameter), output("rstd", c, Element::parameter)},
      .call =
          [p](Stream& s, const Operands& o) {
            s.backend.batch_norm_training(s, p, o["x"], o.optional("statistics"), o.optional("residual"), o["gamma"],
                                          o["beta"], o["running_mean"], o["running_var"], o["y"], o["mean"], o["rstd"]);
          },
      .tolerance = f.tolerance,
      .flops = 8.0 * static_cast<double>(f.x.count()),
      .size = f.size};
  if (f.residual) one.operands.push_back(input("residual", f.x));
  if (f.statistics) {  // of x, nearly: a kernel must take them as they are
    const std::int64_t rows = f.x.count() / f.x.last(), slices = (rows + statistics_rows - 1) / statistics_rows;
    const Fill means_and_squares = [f](std::uint64_t stream, std::int64_t i) {
      const bool squares = i / f.x.last() % 2 == 1;
      return squares ? uniform(0.8, 1.2)(stream, i) * f.deviation * f.deviation * static_cast<double>(statistics_rows)
                     : normal(f.mean, 0.2)(stream, i);
    };
    one.operands.push_back(input("statistics", {slices, 2, f.x.last()}, means_and_squares, Element::parameter));
  }
  all.push_back(std::move(one));
}

void add_running(std::vector<SlotCase>& all, std::int64_t rows, std::int64_t channels, bool unbiased) {
  const Dims c{channels};
  const BatchNormParams p{.epsilon = 1e-3, .momentum = 0.1, .unbiased_variance = unbiased, .activation = Activation::none};
  all.push_back(
      {.slot = "batch_norm_running",
       .variant = std::to_string(rows) + "x" + std::to_string(channels) + (unbiased ? "" : " biased"),
       .operands = {input("mean", c, normal(), Element::parameter),
                    input("rstd", c, uniform(0.5, 40), Element::parameter),  // at 31.6 and beyond the variance is 0
                    in_out("running_mean", c, normal(), Element::parameter),
                    in_out("running_var", c, uniform(0.5, 2), Element::parameter)},
       .call = [p, rows](Stream& s, const Operands& o) {
         s.backend.batch_norm_running(s, p, rows, o["mean"], o["rstd"], o["running_mean"], o["running_var"]);
       }});
}

void add_fold(std::vector<SlotCase>& all, std::int64_t channels, bool bias) {
  const Dims c{channels};
  const BatchNormParams p{.epsilon = 1e-3, .momentum = 0.1, .unbiased_variance = true, .activation = Activation::none};
  SlotCase one{
      .slot = "batch_norm_fold",
      .variant = std::to_string(channels) + (bias ? " bias" : ""),
      .operands = {input("gamma", c, normal(1, 0.3), Element::parameter), input("beta", c, normal(), Element::parameter),
                   input("running_mean", c, normal(), Element::parameter),
                   input("running_var", c, uniform(0.5, 2), Element::parameter), output("scale", c, Element::parameter),
                   output("shift", c, Element::parameter)},
      .call = [p](Stream& s, const Operands& o) {
        s.backend.batch_norm_fold(s, p, o.optional("bias"), o["gamma"], o["beta"], o["running_mean"], o["running_var"],
                                  o["scale"], o["shift"]);
      }};
  if (bias) one.operands.push_back(input("bias", c, normal(), Element::parameter));
  all.push_back(std::move(one));
}

void add_inference(std::vector<SlotCase>& all, const Forward& f) {
  const Dims c{f.x.last()};
  const BatchNormParams p{.epsilon = 1e-3, .momentum = 0.1, .unbiased_variance = f.unbiased, .activation = f.activation};
  SlotCase one{
      .slot = "batch_norm_inference",
      .variant = variant(f) + (f.want_rstd ? "" : " no rstd"),
      .operands = {input("x", f.x, normal(f.mean, f.deviation)), input("gamma", c, normal(1, 0.3), Element::parameter),
                   input("beta", c, normal(), Element::parameter),
                   input("running_mean", c, normal(f.mean, 0.5), Element::parameter),
                   input("running_var", c, uniform(0.5, 2), Element::parameter), output("y", f.x)},
      .call =
          [p](Stream& s, const Operands& o) {
            s.backend.batch_norm_inference(s, p, o["x"], o.optional("residual"), o["gamma"], o["beta"], o["running_mean"],
                                           o["running_var"], o["y"], o.optional("rstd"));
          },
      .tolerance = f.tolerance,
      .flops = 4.0 * static_cast<double>(f.x.count()),
      .size = f.size};
  if (f.residual) one.operands.push_back(input("residual", f.x));
  if (f.want_rstd) one.operands.push_back(output("rstd", c, Element::parameter));
  all.push_back(std::move(one));
}

struct Backward {
  Dims x;
  Size size = Size::quick;
  bool batch_statistics = true;
  Activation activation = Activation::none;
  bool dx = true, dresidual = false, dgamma = true, dbeta = true;
  double mean = 0.5;
  std::string in_place = "";  // dx or dresidual: written over dy
};

void add_backward(std::vector<SlotCase>& all, const Backward& b) {
  const Dims c{b.x.last()};
  const BatchNormParams p{.epsilon = 1e-5, .momentum = 0.1, .unbiased_variance = true, .activation = b.activation};
  const std::string gradients = std::string(b.dx ? " dx" : "") + (b.dresidual ? " dresidual" : "") +
                                (b.dgamma ? " dgamma" : "") + (b.dbeta ? " dbeta" : "");
  const std::string over = b.in_place;
  SlotCase one{
      .slot = "batch_norm_backward",
      .variant = extents(b.x) + (b.batch_statistics ? "" : " frozen") + (b.activation == Activation::relu ? " relu" : "") +
                 (b.mean == large_mean ? " mean 1000" : "") + gradients + (over.empty() ? "" : " over dy: " + over),
      .operands = {input("x", b.x, normal(b.mean, 1)), input("gamma", c, normal(1, 0.3), Element::parameter),
                   input("mean", c, normal(b.mean, 0.05), Element::parameter),
                   input("rstd", c, uniform(0.8, 1.25), Element::parameter)},
      .call =
          [p, over, statistics = b.batch_statistics](Stream& s, const Operands& o) {
            const auto wanted = [&](const char* name) {
              return over == name ? Gradient{o["dy"], false} : o.optional_gradient(name);
            };
            s.backend.batch_norm_backward(s, p, statistics, o["x"], o.optional("y"), o["dy"], o["gamma"], o["mean"],
                                          o["rstd"], wanted("dx"), wanted("dresidual"), wanted("dgamma"), wanted("dbeta"));
          },
      .tolerance = b.mean == large_mean ? large_mean_tolerance : 1e-5,
      .flops = 11.0 * static_cast<double>(b.x.count()),
      .size = b.size};
  one.operands.push_back(over.empty() ? input("dy", b.x, normal(0.25)) : in_out("dy", b.x, normal(0.25)));
  if (b.activation == Activation::relu) {
    const Fill half_zero = [](std::uint64_t stream, std::int64_t i) { return std::max(0.0, normal()(stream, i)); };
    one.operands.push_back(input("y", b.x, half_zero));
  }
  if (b.dx && over != "dx") one.operands.push_back(gradient("dx", b.x));
  if (b.dresidual && over != "dresidual") one.operands.push_back(gradient("dresidual", b.x));
  if (b.dgamma) one.operands.push_back(gradient("dgamma", c, Element::parameter));
  if (b.dbeta) one.operands.push_back(gradient("dbeta", c, Element::parameter));
  all.push_back(std::move(one));
}

}  // namespace

void add_batch_norm_cases(std::vector<SlotCase>& all) {
  const Activation relu = Activation::relu;
  for (const Shape& s : shapes()) {
    add_training(all, {.x = s.x, .size = s.size});
    add_training(all, {.x = s.x, .size = s.size, .residual = true, .activation = relu});
  }
  for (const Dims& x : {Dims{2, 5, 7, 16}, Dims{65, 31}, Dims{1025, 3}}) {
    add_training(all, {.x = x, .activation = relu, .unbiased = false});
    add_training(all, {.x = x, .residual = true});
    add_training(all, {.x = x, .mean = large_mean, .deviation = 1, .tolerance = large_mean_tolerance});
    add_training(all, {.x = x, .deviation = 0});
  }
  add_training(
      all,
      {.x = {64, 8, 8, 32}, .size = Size::medium, .mean = large_mean, .deviation = 1, .tolerance = large_mean_tolerance});

  for (const Dims& x : {Dims{2, 5, 7, 16}, Dims{129, 31}, Dims{1025, 3}, Dims{3, 8, 8, 64}}) {
    add_training(all, {.x = x, .statistics = true});
    add_training(all, {.x = x, .residual = true, .activation = relu, .statistics = true});
  }
  for (std::int64_t channels : {1, 31, 64, 513}) {
    for (bool bias : {false, true}) add_fold(all, channels, bias);
    for (bool unbiased : {false, true}) add_running(all, 37, channels, unbiased);
  }
  add_running(all, 1, 5, true);  // of one row the variance is taken as it is

  for (const Shape& s : shapes()) {
    add_inference(all, {.x = s.x, .size = s.size, .want_rstd = false});
    add_inference(all, {.x = s.x, .size = s.size, .residual = true, .activation = relu});
  }
  for (const Dims& x : {Dims{2, 5, 7, 16}, Dims{65, 31}}) {
    add_inference(all, {.x = x, .activation = relu});
    add_inference(all, {.x = x, .residual = true, .want_rstd = false});
    add_inference(all, {.x = x, .mean = large_mean, .deviation = 1, .tolerance = large_mean_tolerance});
  }

  for (const Shape& s : shapes()) {
    add_backward(all, {.x = s.x, .size = s.size});
    add_backward(all, {.x = s.x, .size = s.size, .activation = relu, .dresidual = true});
  }
  for (const Dims& x : {Dims{2, 5, 7, 16}, Dims{65, 31}, Dims{1025, 3}})
    for (bool statistics : {true, false}) {
      add_backward(all, {.x = x, .batch_statistics = statistics, .activation = relu});
      add_backward(all, {.x = x, .batch_statistics = statistics, .mean = large_mean});
      add_backward(
          all,
          {.x = x, .batch_statistics = statistics, .activation = relu, .dresidual = true, .dgamma = false, .dbeta = false});
      add_backward(all, {.x = x, .batch_statistics = statistics, .activation = relu, .dx = false});
      add_backward(
          all,
          {.x = x, .batch_statistics = statistics, .activation = relu, .dx = false, .dresidual = true, .dgamma = false});
      add_backward(all, {.x = x, .batch_statistics = statistics, .activation = relu, .dbeta = false, .in_place = "dx"});
      add_backward(all, {.x = x, .batch_statistics = statistics, .activation = relu, .dresidual = true, .in_place = "dx"});
      add_backward(all,
                   {.x = x, .batch_statistics = statistics, .activation = relu, .dresidual = true, .in_place = "dresidual"});
    }
}

}  // namespace tessera::cases
