// Grad-CAM: which places of an image speak for a class, from a network's own gradients.
//
// With the maps A (k = 1 … K of them, each u×v cells) that a layer makes of an image, and y the class's output before softmax
// or sigmoid:
//   α_k = 1/(u·v) · Σ_ij ∂y/∂A_ijk        how much map k matters
//   L_ij = max(0, Σ_k α_k · A_ijk)         the place's share in what speaks for the class
// Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", (1), (2).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/nn/network.h"

namespace tessera {

struct ClassMaps {
  std::string layer;                   // its path in the network
  std::int64_t rows = 0, columns = 0;  // u, v
  std::vector<float> values = {};      // [N, rows, columns], 0 or more, in units of the output y
  std::span<const float> of(std::int64_t image) const {
    const auto size = static_cast<std::size_t>(rows * columns);
    return std::span(values).subspan(static_cast<std::size_t>(image) * size, size);
  }
};

// x: [N,H,W,C], as the network sees images, in its device's activation type; classes: one an image. With one output, class 1
// is the output itself and class 0 its negative.
//
// `layer`: the path of the layer whose maps are looked at. By default the last one, in the order of the forward pass, whose
// maps have at least 4×4 cells, or the most there are; poolings and dropouts do not count, since they only thin out the maps
// in front of them. (The paper takes the last convolution. Networks for small images may end in maps of 2×2 or 1×1 cells,
// which say nothing about places.)
//
// The network runs as in evaluation. UsageError: no layer of that path makes maps (it lists those that do), or none does;
// ShapeError: another number of classes than images, or a class that is not among the outputs.
ClassMaps grad_cam(Network& network, const Tensor& x, std::span<const std::int32_t> classes, const std::string& layer = {});

}  // namespace tessera
