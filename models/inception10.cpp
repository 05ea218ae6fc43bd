// Inception-10: a stem and four blocks of four branches; 121,418 parameters (120,234 of them trainable).
//
// A tf.keras tutorial's variant whose batch norm never sees a batch: it is called with training=False in training too, so
// that every layer of it is the trainable affine map gamma·x/√1.001 + beta. After Szegedy et al. 2014.
#include "engine/nn/conv_norm.h"
#include "engine/nn/network.h"
#include "models/catalogue.h"

namespace tessera {
namespace {

constexpr BatchNorm::Options norm{.epsilon = 1e-3, .momentum = 0.01, .statistics = BatchNorm::Statistics::running};

// Convolution, batch norm, ReLU.
struct ConvUnit : Module {
  ConvUnit(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride)
      : conv(in, out, kernel, {.stride = stride, .padding = Padding::keras_same(), .init = tf_keras_init}), bn(out, norm) {}
  void visit(Visitor& v) override { v("conv", conv), v("bn", bn); }
  Variable operator()(const Context& context, const Variable& x) const {
    return conv_norm(context, conv, bn, x, Activation::relu);
  }
  Conv2d conv;
  BatchNorm bn;
};

// The branches 1×1, 1×1 → 3×3, 1×1 → 5×5 and pool → 1×1, side by side; the stride is in the 1×1 convolutions.
struct InceptionBlock : Module {
  InceptionBlock(std::int64_t in, std::int64_t branch, std::int64_t stride)
      : c1(in, branch, 1, stride),
        c2_1(in, branch, 1, stride),
        c2_2(branch, branch, 3, 1),
        c3_1(in, branch, 1, stride),
        c3_2(branch, branch, 5, 1),
        c4_2(in, branch, 1, stride) {}
  void visit(Visitor& v) override {
    v("c1", c1), v("c2_1", c2_1), v("c2_2", c2_2), v("c3_1", c3_1), v("c3_2", c3_2), v("c4_2", c4_2);
    v("pool", pool), v("concat", concat);
  }
  Variable operator()(const Context& context, const Variable& x) const {
    return concat(context, {c1(context, x), c2_2(context, c2_1(context, x)), c3_2(context, c3_1(context, x)),
                            c4_2(context, pool(context, x))});
  }
  ConvUnit c1, c2_1, c2_2, c3_1, c3_2, c4_2;
  MaxPool pool{{.window = 3, .stride = 1, .padding = Padding::keras_same()}};
  Concat concat;
};

struct Inception10 : Network {
  explicit Inception10(const NetworkOptions& options)
      : c1(options.channels, 16, 3, 1), f1(128, options.outputs.value_or(10), {.init = tf_keras_init}) {
    std::int64_t in = 16;
    for (const std::int64_t branch : {16, 32})
      for (const std::int64_t stride : {2, 1}) {
        blocks.emplace_back(in, branch, stride);
        in = 4 * branch;
      }
  }

  void visit(Visitor& v) override { v("c1", c1), v("blocks", blocks), v("pool", pool), v("f1", f1); }

  std::span<const KerasPart> keras_parts() const override {
    static constexpr KerasPart parts[] = {{"blocks.*", "blocks/layers/inception_blk*"},
                                          {"conv", "layers/sequential/layers/conv2d"},
                                          {"bn", "layers/sequential/layers/batch_normalization"}};
    return parts;
  }

  Variable forward(const Context& context, const Variable& x) override {
    Variable y = c1(context, x);
    for (const InceptionBlock& block : blocks) y = block(context, y);
    return f1(context, pool(context, y));
  }

  ConvUnit c1;
  std::vector<InceptionBlock> blocks;
  GlobalAveragePool pool;
  Linear f1;
};

}  // namespace

NetworkEntry describe_inception10() {
  return {.id = "inception10",
          .description = "Inception-10 (tf.keras)",
          .build = build<Inception10>,
          .recipe = {.id = "R002-inception10",
                     .validation = Validation::test_set,
                     .batch_size = 1024,
                     .epochs = 5,
                     .optimizer = AdamKeras::Options{.learning_rate = 1e-3},
                     .best = BestRule::lowest_validation_loss},
          .any_image_size = true};
}

}  // namespace tessera
