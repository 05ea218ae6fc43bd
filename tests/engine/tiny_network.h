// A small network with one of everything, for 8×8×3 images of four classes, and the images.
#pragma once

#include <functional>

#include "engine/core/random.h"
#include "engine/data/dataset.h"
#include "engine/nn/layers.h"
#include "engine/nn/network.h"
#include "engine/ops/loss.h"

namespace tessera::test {

struct TinyNetwork : Network {
  struct Options {
    double dropout = 0;
    bool norm = true;
    std::int64_t outputs = 4;
  };
  explicit TinyNetwork(const Options& o)
      : options(o),
        conv(3, 6, 3, {.padding = Padding::keras_same()}),
        bn(6),
        drop(o.dropout),
        fc(6 * 4 * 4, o.outputs),
        unused(5, 5) {}
  TinyNetwork() : TinyNetwork(Options()) {}

  void visit(Visitor& v) override { v("conv", conv), v("bn", bn), v("drop", drop), v("unused", unused), v("fc", fc); }

  Variable forward(const Context& context, const Variable& x) override {
    if (!context.training && in_evaluation) in_evaluation();
    Variable y = conv(context, x);
    if (options.norm) y = bn(context, y, Activation::relu);
    y = drop(context, flatten(context, pool(context, y)));
    y = fc(context, y);
    if (context.training && damage && damage(trained++)) {  // an infinite loss, as of a learning rate far too large
      Tensor broken = y.value().like();
      Device& device = broken.on();
      device.run(&Backend::scale, HUGE_VAL, {}, y.value(), {broken, false});
      return record("damage", broken, {y}, [broken, dy_in = y.node()](const Tensor&) { dy_in->pass(broken); });
    }
    return y;
  }
  Variable loss(const Context& context, const Variable& logits, const Tensor& labels) override {
    return add(Network::loss(context, logits, labels), l2_penalty(fc.weight.in(context), 0.01));
  }

  Options options;
  Conv2d conv;
  BatchNorm bn;
  MaxPool pool;
  Flatten flatten;
  Dropout drop;
  Linear fc;
  Linear unused;
  std::function<bool(int)> damage;  // asked in each training step, with the number of those before
  int trained = 0;
  std::function<void()> in_evaluation;
};

// Noise whose brightness tells the class.
inline ImageSet tiny_images(std::int64_t count, std::uint64_t seed) {
  ImageSet set{.count = count, .height = 8, .width = 8, .channels = 3};
  RandomStream random(seed, Purpose::test, 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(random.below(4));
    set.labels.push_back(label);
    for (std::int64_t j = 0; j < set.image_size(); ++j)
      set.pixels.push_back(static_cast<std::uint8_t>(40 * label + static_cast<std::int32_t>(random.below(100))));
  }
  return set;
}

}  // namespace tessera::test
