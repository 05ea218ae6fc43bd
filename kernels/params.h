// The small parameter structs that slots take besides their operands. Plain data: the same bytes on host and device.
#pragma once

#include <cstdint>

#include "kernels/activation.h"

namespace tessera::kernels {

enum class Arithmetic : std::uint8_t { add, subtract, multiply, divide };

// Sizes of one 2-D convolution (cross-correlation), per image:
//   y[n,p,q,k] = Σ_{r,s,c} x[n, p·stride + r − pad_top, q·stride + s − pad_left, c] · w[k,r,s,c],  zero outside x.
// In groups each filter sees the C' = c/groups channels of its own group only: w is [k,r,s,C'], and filter f of K' =
// k/groups a group multiplies channel i of it with channel ⌊f/K'⌋·C' + i of x. groups = c: a depthwise convolution. Padding
// at the bottom and at the right is whatever the output size p_out × q_out reaches beyond the input, so that asymmetric
// padding (Keras "same") needs nothing more.
struct Conv2dShape {
  std::int64_t n, h, w, c;  // input  N,H,W,C
  std::int64_t k, r, s;     // filters K,R,S,C
  std::int64_t p, q;        // output N,P,Q,K
  std::int64_t stride;
  std::int64_t pad_top, pad_left;
  std::int64_t groups = 1;  // divides c and k
  bool operator==(const Conv2dShape&) const = default;
};

// May conv2d_backward be asked for this convolution? Few channels fill no tile of a product, and their rows are no whole
// vectors: a first layer of a small network, and its second.
inline bool few_channels(const Conv2dShape& d) { return d.groups == 1 && d.c < 8 && d.k <= 16 && d.r * d.s <= 64; }

// Rows of a convolution's output per slice of the statistics that it may hand to batch normalisation.
inline constexpr std::int64_t statistics_rows = 128;

// Sizes of one 2-D pooling; cells outside the input never win.
struct Pool2dShape {
  std::int64_t n, h, w, c;  // input  N,H,W,C
  std::int64_t r, s;        // window rows, columns (r·s ≤ 256)
  std::int64_t p, q;        // output N,P,Q,C
  std::int64_t stride;
  std::int64_t pad_top, pad_left;
  bool operator==(const Pool2dShape&) const = default;
};

struct MatmulParams {
  bool transpose_a = false;
  bool transpose_b = false;
  Activation activation = Activation::none;  // not one that needs_input
};

// Does each of a linear layer's products take few multiply-adds, 2²² at most? Whether one launch makes it: one_launch.h.
inline bool small_linear(std::int64_t n, std::int64_t in, std::int64_t out) {
  constexpr std::int64_t most = std::int64_t{1} << 22;
  return n <= most && in <= most && out <= most && in * out <= most && n * in * out <= most;
}

struct BatchNormParams {
  double epsilon;
  double momentum;         // PyTorch form: running ← (1−m)·running + m·batch
  bool unbiased_variance;  // the batch variance that enters the running one: × M/(M−1) with M = N·H·W (M = 1: biased)
  Activation activation;   // none or relu, applied after the residual
};

inline constexpr int max_groups = 8;  // of parameters, each with a learning rate of its own

// What changes from step to step. It lives in device memory and is written before the step starts, so that a recorded
// step can be replayed unchanged.
struct StepState {
  std::int64_t step = 0;  // optimiser steps done so far in this run; this step is number step + 1
  std::int64_t epoch = 0;
  std::int64_t position = 0;              // index into the order of samples where this batch starts
  double learning_rate[max_groups] = {};  // of each group; with one group, the first
};

// Kept by the device: whether the gradients of this step may be applied. All zero at the start of a run.
struct StepGuard {
  std::int32_t skip = 0;         // this step's gradients hold a NaN or an infinity: optimiser slots must change nothing
  std::int32_t consecutive = 0;  // how many such steps in a row
  std::int64_t skipped = 0;      // how many in the whole run
};

// Sums over an epoch, kept in device memory; the host divides.
struct Metrics {
  double loss_sum = 0;        // Σ over batches of batch loss × batch size
  double batch_loss_sum = 0;  // Σ over batches of batch loss
  double correct = 0;         // samples whose label has rank 0
  double correct_top5 = 0;    // samples whose label has rank < 5
  double samples = 0;
  double batches = 0;
};

// Every random draw is philox(seed, purpose, …): see philox.h.
struct DropoutParams {
  double probability;  // of dropping an element
  std::uint64_t seed;
  std::uint32_t layer;  // tells one dropout layer of a network from another
};

struct SgdParams {
  double momentum;      // 0: plain SGD, no velocity
  double weight_decay;  // coupled: g ← g + weight_decay·w
  bool nesterov;
  int group = 0;  // whose learning rate
};

enum class AdamForm : std::uint8_t {
  keras,    // w ← w − lr·√(1−β2^t)/(1−β1^t) · m/(√v + ε)
  pytorch,  // w ← w − lr/(1−β1^t) · m/(√v/√(1−β2^t) + ε)   (also Paddle)
};

struct AdamParams {
  double beta1, beta2, epsilon;
  double weight_decay;  // coupled: g ← g + weight_decay·w, before the moments
  AdamForm form;
  bool decoupled = false;  // instead w ← w − lr·weight_decay·w, before the step (AdamW)
  int group = 0;           // whose learning rate
};

// One of the matrices that muon_step moves: rows·columns elements from `offset` on of the flat vectors, row-major.
struct MuonMatrix {
  std::int64_t offset;
  std::int32_t rows, columns;
};

// Muon (Jordan 2024): the momentum of a matrix, made nearly orthogonal by Newton–Schulz's iteration.
//   v = momentum·v + g;  u = g + momentum·v;  w = w·√rows/‖w‖ (a w of zeros stays);  X = u/(‖u‖ + 1e-7)
//   iterations times, with X as it stands or, of a tall matrix, transposed:  A = X·Xᵀ;  X = a·X + (b·A + c·A²)·X
//   w = w − lr·X
// ‖·‖ is Frobenius's norm. The order of the columns does not matter: the rule commutes with permuting them.
struct MuonParams {
  static constexpr int max_matrices = 32;
  static constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  double momentum = 0.6;
  int iterations = 3;
  int group = 0;  // whose learning rate
  int count = 0;  // of matrices
  MuonMatrix matrices[max_matrices] = {};
};

struct LionParams {
  double beta1, beta2;
  double weight_decay;  // decoupled
  int group = 0;        // whose learning rate
};

// From a uint8 image to a network's input, per channel: x = (u8/255 − mean)/std; then a window of the image's size, cut from
// the padded image, and its mirror image, where asked for: as augmentation.h draws them, or as they are fixed here.
struct GatherParams {
  static constexpr int max_channels = 4;
  float mean[max_channels] = {0, 0, 0, 0};
  float std[max_channels] = {1, 1, 1, 1};
  std::int32_t crop_padding = 0;  // cells on each side; offsets 0 … 2·crop_padding
  bool reflect = false;           // they mirror the image about its border cells; else they are zeros (after normalisation)
  bool flip = false;              // mirror with probability ½
  bool alternate = false;         // with flip: drawn once for each image, and in every odd epoch the other way
  bool fixed = false;             // nothing is drawn: every window at (row, column) of the padded image, every flip `flip`
  std::int32_t row = 0, column = 0;
  std::uint64_t seed = 0;
};

// What is done to images that are floats already; channels beyond three are not coloured.
struct AlterParams {
  float mean[GatherParams::max_channels] = {0, 0, 0, 0};  // x = (u8/255 − mean)/std
  float std[GatherParams::max_channels] = {1, 1, 1, 1};
  float jitter = 0;         // brightness, contrast and saturation times 1 − jitter … 1 + jitter each; 0: as they are
  std::int32_t cutout = 0;  // side of a square of zeros, in cells; 0: none
  std::uint64_t seed = 0;
};

struct MixParams {
  bool mixup = false, cutmix = false;  // both: one or the other, with probability ½
  std::uint64_t seed = 0;
};

}  // namespace tessera::kernels
