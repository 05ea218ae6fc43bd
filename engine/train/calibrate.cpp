#include "engine/train/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "engine/ops/check.h"
#include "kernels/watched_table.h"

namespace tessera {
namespace {

using namespace kernels;

// The values of one tensor, over all samples.
struct Histogram {
  static constexpr std::size_t bins = 4096;
  float low = 0, high = 0;
  std::array<std::int64_t, bins> counts = {};
  std::int64_t total = 0;

  // False where one is NaN or infinite.
  bool widen(std::span<const float> values) {
    bool finite = true;
    for (const float v : values) low = std::min(low, v), high = std::max(high, v), finite &= std::isfinite(v);
    return finite;
  }
  void count(std::span<const float> values) {
    const double from = low, width = static_cast<double>(high) - from;  // which a float need not hold
    const double factor = width > 0 ? static_cast<double>(bins) / width : 0;
    for (const float v : values)
      ++counts[std::min(bins - 1, static_cast<std::size_t>(std::max((static_cast<double>(v) - from) * factor, 0.0)))];
    total += static_cast<std::int64_t>(values.size());
  }
  // Without the share of the values that may lie outside, half of it at either end, or all above where nothing is below zero.
  std::pair<double, double> range(double outside) const {
    const double bin = (static_cast<double>(high) - low) / bins;
    double below = low < 0 ? outside / 2 : 0, above = outside - below;
    below *= static_cast<double>(total), above *= static_cast<double>(total);
    std::size_t first = 0, last = bins;
    for (std::int64_t seen = 0; first + 1 < last && static_cast<double>(seen += counts[first]) <= below;) ++first;
    for (std::int64_t seen = 0; first + 1 < last && static_cast<double>(seen += counts[last - 1]) <= above;) --last;
    return {std::min(low + bin * static_cast<double>(first), 0.0), std::max(low + bin * static_cast<double>(last), 0.0)};
  }
};

struct Observed {
  std::string path;
  Tensor weights;
  Histogram inputs = {};
  std::string reason = {};  // why they stay float32; empty: they need not
  bool met = false;
};

struct Observer {
  std::map<const void*, Observed> by_weights;
  bool counting = false;

  void see(const ConstView& x, const ConstView& w, const std::string& reason) {
    const auto at = by_weights.find(w.data);
    if (at == by_weights.end()) return;
    Observed& observed = at->second;
    observed.met = true;
    if (!reason.empty()) observed.reason = reason;
    const std::span<const float> values(x.as<float>(), static_cast<std::size_t>(x.count()));
    if (counting)
      observed.inputs.count(values);
    else if (!observed.inputs.widen(values))
      throw NonFiniteError("calibration: what meets " + observed.path + " is NaN or infinite: these weights are of no use");
  }
};

template <auto slot, class... Arguments>
void look_at(Observer&, const Arguments&...) {}
template <>
void look_at<&Backend::conv2d_forward>(Observer& observer, const Conv2dShape& shape, const ConstView& x, const ConstView& w,
                                       const Conv2dEpilogue&, const View&) {
  observer.see(x, w, int8_possible(shape) ? "" : shape.groups > 1 ? "in groups" : "sums too long");
}
template <>
void look_at<&Backend::matmul>(Observer& observer, const MatmulParams& params, const ConstView& a, const ConstView& b,
                               const ConstView&, const Gradient&) {
  const bool dense = !params.transpose_a && params.transpose_b;
  observer.see(a, b,
               !dense                                                                 ? "no dense layer"
               : int8_possible(dense_as_convolution(a.dims[0], a.dims[1], b.dims[0])) ? ""
                                                                                      : "sums too long");
}

struct Watching {
  template <auto slot, class... Arguments>
  static void on(Stream& stream, Arguments... arguments) {
    look_at<slot>(*static_cast<Observer*>(stream.library.get()), arguments...);
    (stream.backend.*slot)(stream, arguments...);
  }
};

std::map<const void*, Observed> parameters_of(Network& network) {
  struct Collector : Visitor {
    void on_parameter(const std::string& path, Parameter& parameter) override {
      if (parameter) all[parameter.value().data()] = {.path = path, .weights = parameter.value()};
    }
    std::map<const void*, Observed> all;
  } collector;
  network.visit(collector);
  return collector.all;
}

// A scale below this has an inverse near float32's end; what is that small is zero in eight bits.
constexpr double least_scale = 1e-30;

std::vector<float> scales_of(const Tensor& weights) {
  const std::vector<float> values = weights.to_host<float>();
  std::vector<float> scales(static_cast<std::size_t>(weights.shape()[0]));
  const std::size_t each = values.size() / scales.size();
  for (std::size_t k = 0; k < scales.size(); ++k) {
    float most = 0;
    for (std::size_t i = 0; i < each; ++i) most = std::max(most, std::abs(values[k * each + i]));
    const float scale = most / int8_most_weight;
    scales[k] = static_cast<double>(scale) >= least_scale ? scale : 1;
  }
  return scales;
}

Int8Product product_of(const Observed& observed, double percentile) {
  const auto [low, high] = observed.inputs.range(1 - percentile / 100);
  const double step = (high - low) / int8_most_input, scale = step >= least_scale ? step : 1;
  return {.weight_scales = scales_of(observed.weights),
          .input_scale = static_cast<float>(scale),
          .zero_point = static_cast<std::int32_t>(std::clamp(std::nearbyint(-low / scale), 0.0, 127.0))};
}

}  // namespace

Calibration calibrate(Network& network, const BatchSource& samples, const CalibrationOptions& options) {
  const std::shared_ptr<Device> device = samples.device();
  require(device->backend().runtime.host_memory && device->precision() == Precision::fp32,
          "[calibrate] activations are looked at in float32 on a CPU");
  const auto observer = std::make_shared<Observer>(Observer{.by_weights = parameters_of(network)});
  const Backend table = watched_table<Watching>(device->backend());
  StepStateBuffer state(device);
  for (const bool counting : {false, true}) {
    observer->counting = counting;
    for (std::int64_t position = 0; position < samples.count(); position += options.batch_size) {
      if (options.stop && *options.stop) throw Interrupted("calibration stopped");
      const std::int64_t size = std::min(options.batch_size, samples.count() - position);
      state.write({.position = position});
      samples.prepare(position, size);
      const Batch batch = samples.draw(size, state.device_pointer());
      const Device::TableScope watching(*device, table, observer);
      network.forward({}, Variable(batch.x));
    }
  }
  Calibration result;
  for (const auto& [_, observed] : observer->by_weights) {
    if (!observed.met) continue;
    if (observed.reason.empty())
      result.quantization.emplace(observed.path, product_of(observed, options.percentile));
    else
      result.floats.push_back(observed.path + " (" + observed.reason + ")");
  }
  return result;
}

}  // namespace tessera
