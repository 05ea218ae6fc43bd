// Cases of softmax_cross_entropy_*, sigmoid_cross_entropy_*, label_weights and classification_metrics.
#include <limits>

#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

struct Shape {
  std::int64_t n, k;
  Size size = Size::quick;
};

const Fill huge = listed({1e4, -1e4, 0, 1e4, 3, -9999, 9999.5});

void add_softmax(std::vector<SlotCase>& all) {
  const auto one = [&](Shape d, double smoothing, const std::string& what, Fill fill) {
    const std::string variant = std::to_string(d.n) + "x" + std::to_string(d.k) + what + (smoothing > 0 ? " smoothing" : "");
    const Operand logits = input("logits", {d.n, d.k}, std::move(fill), Element::parameter),
                  labels = input("labels", {d.n}, integers(d.k), Element::i32);
    all.push_back(
        {.slot = "softmax_cross_entropy_forward",
         .variant = variant,
         .operands = {logits, labels, output("losses", {d.n}, Element::parameter), output("mean", {1}, Element::parameter)},
         .call =
             [=](Stream& s, const Operands& o) {
               s.backend.softmax_cross_entropy_forward(s, smoothing, o["logits"], o["labels"], o["losses"], o["mean"]);
             },
         .tolerance = 5e-6,
         .flops = 4.0 * static_cast<double>(d.n * d.k),
         .size = d.size});
    all.push_back({.slot = "softmax_cross_entropy_backward",
                   .variant = variant,
                   .operands = {logits, labels, input("dloss", {}, constant(0.75), Element::parameter),
                                gradient("dlogits", {d.n, d.k}, Element::parameter)},
                   .call =
                       [=](Stream& s, const Operands& o) {
                         s.backend.softmax_cross_entropy_backward(s, smoothing, o["logits"], o["labels"], o["dloss"],
                                                                  o.gradient("dlogits"));
                       },
                   .tolerance = 5e-6,
                   .magnitude = 0.75 / static_cast<double>(d.n),  // probability − target
                   .flops = 5.0 * static_cast<double>(d.n * d.k),
                   .size = d.size});
  };
  for (const Shape& d :
       {Shape{1, 2}, Shape{3, 5}, Shape{33, 10}, Shape{128, 10}, Shape{5, 31}, Shape{4, 33}, Shape{2, 65}, Shape{3, 100},
        Shape{2, 1000}, Shape{257, 10}, Shape{32, 1024}, Shape{33, 1000}, Shape{1024, 1000, Size::medium}})
    for (double smoothing : {0.0, 0.1}) one(d, smoothing, "", normal(0, 3));
  for (double smoothing : {0.0, 0.1}) {
    one({33, 10}, smoothing, " huge", huge);
    one({5, 65}, smoothing, " huge", huge);
    one({4, 10}, smoothing, " equal", constant(2));
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  one({4, 10}, 0, " NaN in a row",
      [nan](std::uint64_t stream, std::int64_t i) { return i == 23 ? nan : normal()(stream, i); });
}

void add_sigmoid(std::vector<SlotCase>& all) {
  const auto one = [&](std::int64_t n, double smoothing, const std::string& what, Fill fill) {
    const std::string variant = "n=" + std::to_string(n) + what + (smoothing > 0 ? " smoothing" : "");
    const Operand logits = input("logits", {n, 1}, std::move(fill), Element::parameter),
                  labels = input("labels", {n}, integers(2), Element::i32);
    all.push_back({.slot = "sigmoid_cross_entropy_forward",
                   .variant = variant,
                   .operands = {logits, labels, output("losses", {n}, Element::parameter)},
                   .call =
                       [=](Stream& s, const Operands& o) {
                         s.backend.sigmoid_cross_entropy_forward(s, smoothing, o["logits"], o["labels"], o["losses"]);
                       },
                   .tolerance = 5e-6,
                   .flops = 6.0 * static_cast<double>(n)});
    all.push_back({.slot = "sigmoid_cross_entropy_backward",
                   .variant = variant,
                   .operands = {logits, labels, input("dloss", {}, constant(0.75), Element::parameter),
                                gradient("dlogits", {n, 1}, Element::parameter)},
                   .call =
                       [=](Stream& s, const Operands& o) {
                         s.backend.sigmoid_cross_entropy_backward(s, smoothing, o["logits"], o["labels"], o["dloss"],
                                                                  o.gradient("dlogits"));
                       },
                   .tolerance = 5e-6,
                   .magnitude = 0.75 / static_cast<double>(n),  // probability − target
                   .flops = 5.0 * static_cast<double>(n)});
  };
  for (double smoothing : {0.0, 0.2}) {
    for (std::int64_t n : {1, 31, 33, 128, 257, 1025}) one(n, smoothing, "", normal(0, 3));
    one(35, smoothing, " huge", huge);
  }
}

void add_label_weights(std::vector<SlotCase>& all) {
  for (const std::int64_t n : {1, 31, 257, 1025})
    for (const bool classes : {false, true})
      for (const bool rest : {false, true}) {
        SlotCase one{
            .slot = "label_weights",
            .variant = "n=" + std::to_string(n) + (classes ? " classes" : "") + (rest ? " rest" : ""),
            .operands = {input("labels", {n}, integers(7), Element::i32), output("weights", {n}, Element::parameter)},
            .call =
                [rest](Stream& s, const Operands& o) {
                  s.backend.label_weights(s, rest, o.optional("classes"), o.optional("share"), o["labels"], o["weights"]);
                },
            .tolerance = 2e-7,
            .flops = 2.0 * static_cast<double>(n)};
        if (classes) one.operands.push_back(input("classes", {7}, uniform(0, 3), Element::parameter));
        if (!classes || n != 31) one.operands.push_back(input("share", {n}, uniform(0, 1), Element::parameter));
        all.push_back(std::move(one));
      }
}

void add_metrics(std::vector<SlotCase>& all) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto one = [&](Shape d, const std::string& what, Fill fill, double part = 1) {
    all.push_back(
        {.slot = "classification_metrics",
         .variant = std::to_string(d.n) + "x" + std::to_string(d.k) + what,
         .operands =
             {input("logits", {d.n, d.k}, std::move(fill), Element::parameter),
              input("labels", {d.n}, integers(d.k == 1 ? 2 : d.k), Element::i32),
              input("loss", {}, constant(1.3125), Element::parameter),
              metrics(
                  {.loss_sum = 10.5, .batch_loss_sum = 2.25, .correct = 3, .correct_top5 = 7, .samples = 9, .batches = 2})},
         .call =
             [part](Stream& s, const Operands& o) {
               s.backend.classification_metrics(s, part, o["logits"], o["labels"], o["loss"], o.as<Metrics>("metrics"));
             },
         .tolerance = 0,  // counts, and a loss without rounding
         .flops = static_cast<double>(d.n * d.k),
         .size = d.size});
  };
  const Fill some_nan = [nan](std::uint64_t stream, std::int64_t i) {
    return integers(7)(stream, i) == 0 ? nan : normal()(stream + 1, i);
  };
  for (const Shape& d :
       {Shape{1, 2}, Shape{33, 3}, Shape{128, 10}, Shape{257, 10}, Shape{65, 31}, Shape{31, 33}, Shape{63, 100},
        Shape{1025, 10}, Shape{32, 1024}, Shape{33, 1000}, Shape{100, 1}, Shape{1024, 1000, Size::medium}}) {
    one(d, "", normal());
    one(d, " ties", integers(3));
    one(d, " NaN", some_nan);
  }
  one({33, 10}, " all equal", constant(0));
  one({33, 10}, " all NaN", constant(nan));
  one({33, 1}, " all zero", constant(0));
  one({33, 10}, " three eighths of a batch", normal(), 0.375);
}

}  // namespace

void add_loss_cases(std::vector<SlotCase>& all) {
  add_softmax(all);
  add_sigmoid(all);
  add_label_weights(all);
  add_metrics(all);
}

}  // namespace tessera::cases
