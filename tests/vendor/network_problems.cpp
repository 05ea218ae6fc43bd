#include "tests/vendor/network_problems.h"

#include <memory>
#include <utility>

#include "engine/ops/elementwise.h"
#include "kernels/backends.h"
#include "models/catalogue.h"
#include "tests/vendor/problems.h"

namespace tessera::test {
namespace {

using namespace kernels;
using namespace kernels::vendor;

NetworkProblems& note_of(Stream& stream) { return *static_cast<NetworkProblems*>(stream.library.get()); }

void note_convolution(Stream& stream, const Conv2dProblem& problem) { note_of(stream).convolutions.push_back(problem); }
void note_batch_norm(Stream& stream, const BatchNormParams& params, ConstView x, ConstView, ConstView residual, ConstView,
                     ConstView, View, View, View, View, View) {
  note_of(stream).batch_norms.push_back({.operation = BatchNormOperation::forward,
                                         .x = batch_extents(x.dims),
                                         .type = x.dtype,
                                         .residual = static_cast<bool>(residual),
                                         .relu = params.activation == Activation::relu});
}
void note_batch_norm_backward(Stream& stream, const BatchNormParams&, bool, ConstView x, ConstView, ConstView, ConstView,
                              ConstView, ConstView, Gradient dx, Gradient dresidual, Gradient dgamma, Gradient dbeta) {
  note_of(stream).batch_norms.push_back(
      {.operation = BatchNormOperation::backward, .x = batch_extents(x.dims), .type = x.dtype});
  if (!dx || dx.accumulate || dresidual.accumulate || dgamma.accumulate || dbeta.accumulate)
    ++note_of(stream).gradients_added;
}
void note_max_pool(Stream& stream, const Pool2dShape& shape, ConstView x, View, View index) {
  note_of(stream).poolings.push_back({.operation = index ? MaxPoolOperation::forward_with_index : MaxPoolOperation::forward,
                                      .shape = shape,
                                      .type = x.dtype});
}
void note_max_pool_backward(Stream& stream, const Pool2dShape& shape, ConstView dy, ConstView, Gradient) {
  note_of(stream).poolings.push_back({.operation = MaxPoolOperation::backward, .shape = shape, .type = dy.dtype});
}

// A kernel that does nothing, for any slot.
template <class... Arguments>
void nothing(Stream&, Arguments...) {}
template <class Slot, class... Arguments>
auto idle(const SlotFunction<Slot, void(Stream&, Arguments...)>&) {
  return &nothing<Arguments...>;
}

Backend noting_table() {
  const Backend& of = reference_backend();
  Backend table{
      .name = "noting",
      .runtime = of.runtime,
#define TESSERA_SLOT(name, ...) .name = idle(of.name),
#include "kernels/slots.def"
  };
  note_convolutions<note_convolution>(table);
  table.conv2d_forward_statistics = none;  // as in the overlay, these three
  table.linear_backward = none;
  table.conv2d_backward = none;
  table.batch_norm_training = note_batch_norm;
  table.batch_norm_backward = note_batch_norm_backward;
  table.max_pool_forward = note_max_pool;
  table.max_pool_backward = note_max_pool_backward;
  return table;
}

}  // namespace

NetworkProblems network_problems(const std::string& id, DType type, std::int64_t batch) {
  static const Backend table = noting_table();
  const auto device = Device::open(
      {.device = "noting", .options = {}, .precision = type == DType::bf16 ? Precision::bf16 : Precision::fp32}, table);
  const auto note = std::make_shared<NetworkProblems>();
  device->stream().library = note;

  const NetworkEntry& entry = require_network(id);
  const auto network = entry.make({.outputs = {}, .dropout = entry.has_dropout ? std::optional(0.0) : std::nullopt});
  const ParameterStore store(*network, device, 1);
  const Tensor images = Tensor::empty(device, {batch, 32, 32, 3}, type);
  const Tensor labels = Tensor::empty(device, {batch}, DType::i32);
  const Context training{.training = true, .gradients = true};
  const Variable logits = convert(network->forward(training, images), DType::f32);
  backward(network->loss(training, logits, labels));
  return std::move(*note);
}

}  // namespace tessera::test
