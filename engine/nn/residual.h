// The residual unit of all residual networks here; what differs between them is an option.
#pragma once

#include <array>
#include <memory>

#include "engine/nn/layers.h"

namespace tessera {

// What its members are called in files.
struct ResidualNames {
  const char *conv1 = "conv1", *norm1 = "bn1", *conv2 = "conv2", *norm2 = "bn2";
  const char *shortcut_conv = "downsample.0", *shortcut_norm = "downsample.1";
};

// y = f( bn2(conv2( relu(bn1(conv1(x))) )) + shortcut(x) ),   conv1: 3×3/stride, conv2: 3×3/1.
// The shortcut is x itself, or a 1×1/stride convolution (with batch norm or without) where shape changes.
// Source: He et al. 2015, "basic block".
struct ResidualUnit : Module {
  struct Options {
    std::int64_t stride = 1;
    bool project = false;      // shortcut by 1×1 convolution; needed where the stride or the channels change
    bool project_norm = true;  // batch norm behind it
    bool bias = false;         // in the convolutions
    bool residual = true;      // false: the shortcut exists but is never executed
    Activation activation = Activation::relu;  // after the add
    Padding padding = Padding::keras_same();
    BatchNorm::Options norm = {};
    InitFamily init = tf_keras_init;
    ResidualNames names = {};
  };
  ResidualUnit(std::int64_t in_channels, std::int64_t out_channels, const Options& options);
  ResidualUnit(std::int64_t in_channels, std::int64_t out_channels) : ResidualUnit(in_channels, out_channels, Options()) {}
  void visit(Visitor& v) override;
  Variable operator()(const Context& context, const Variable& x) const;

  Options options;
  Conv2d conv1;
  BatchNorm norm1;
  Conv2d conv2;
  BatchNorm norm2;
  std::unique_ptr<Conv2d> shortcut_conv;
  std::unique_ptr<BatchNorm> shortcut_norm;
};

// The units of a ResNet, one stage after the other: stages of 64, 128, 256 and 512 channels with so many units each. The
// first unit of every stage but the first halves the map (stride 2) and projects its shortcut. `common` is what all units
// share.
std::vector<ResidualUnit> residual_stages(const std::array<int, 4>& units, const ResidualUnit::Options& common);

}  // namespace tessera
