#include "engine/train/weight_average.h"

namespace tessera {
namespace {

void copy(const Tensor& from, const Tensor& to) {
  if (from.count() > 0) to.on().run(&Backend::convert, from, {to, false});
}

Tensor copy_of(const Tensor& tensor) {
  const Tensor made = tensor.like();
  copy(tensor, made);
  return made;
}

}  // namespace

WeightAverage::WeightAverage(ParameterStore& parameters, double keep)
    : parameters_(parameters),
      keep_(keep),
      values_(copy_of(parameters.values())),
      buffers_(copy_of(parameters.buffer_values())) {}

void WeightAverage::update(const kernels::StepState* state, const kernels::StepGuard* guard) const {
  const auto one = [&](const Tensor& now, const Tensor& average) {
    if (now.count() > 0) now.on().run(&Backend::average_step, keep_, state, guard, now, average);
  };
  one(parameters_.values(), values_);
  one(parameters_.buffer_values(), buffers_);
}

void WeightAverage::swap() const {
  const auto exchange = [](const Tensor& a, const Tensor& b) {
    const Tensor before = copy_of(a);
    copy(b, a);
    copy(before, b);
  };
  exchange(parameters_.values(), values_);
  exchange(parameters_.buffer_values(), buffers_);
  parameters_.values_changed();
}

}  // namespace tessera
