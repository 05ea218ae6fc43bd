// label_weights, scale_rows: what a sample counts in the loss.
//
//   weights[i] = (class_weights? class_weights[labels[i]] : 1) · (share? rest ? 1 − share[i] : share[i] : 1)
//   y[i,j] (+)= factors[i] · x[i,j]                                                            x, y: [rows, columns]
//
// One element per thread, striding over the grid. 8 to 16 bytes per element; n is a batch, so a launch takes longer than its
// work.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

struct Weigh {
  bool rest;
  const float *class_weights, *share;  // ?
  const std::int32_t* labels;
  float* weights;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    float weight = class_weights ? class_weights[labels[i]] : 1.0f;
    if (share) weight *= rest ? 1.0f - share[i] : share[i];
    weights[i] = weight;
  }
};

struct ScaleRows {
  const float *factors, *x;
  float* y;
  std::int64_t columns;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    store(y + i, Pack<1>{{factors[i / columns] * x[i]}}, accumulate);
  }
};

}  // namespace

void label_weights(Stream& stream, bool rest, ConstView class_weights, ConstView share, ConstView labels, View weights) {
  require_float32(stream, weights);
  each_element<1>(stream, weights.count(), false,
                  Weigh{rest, class_weights.as<float>(), share.as<float>(), labels.as<std::int32_t>(), weights.as<float>()});
}

void scale_rows(Stream& stream, ConstView factors, ConstView x, Gradient y) {
  require_float32(stream, y.view);
  const std::int64_t rows = factors.count();
  if (rows == 0) return;
  each_element<1>(stream, y.view.count(), false,
                  ScaleRows{factors.as<float>(), x.as<float>(), y.view.as<float>(), y.view.count() / rows, y.accumulate});
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
