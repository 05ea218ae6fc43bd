#include "bench/workload.h"

#include <algorithm>

#include "bench/timing.h"
#include "engine/train/calibrate.h"

namespace tessera::bench {
namespace {

ImageSet random_images(std::int64_t count, const Shape& image) {
  ImageSet set{.count = count, .height = image[0], .width = image[1], .channels = image[2]};
  RandomStream random(1, Purpose::test, 1);
  for (std::int64_t i = 0; i < count * set.image_size(); ++i)
    set.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  for (std::int64_t i = 0; i < count; ++i) set.labels.push_back(static_cast<std::int32_t>(random.below(10)));
  return set;
}

}  // namespace

Workload::Workload(const NetworkEntry& entry, const std::shared_ptr<Device>& device, const WorkloadOptions& options)
    : options_(options),
      device_(device),
      network_(entry.make({})),
      parameters_(*network_, device, 1),
      optimizer_(make_optimizer(entry.recipe.optimizer, parameters_)),
      images_(DeviceImages::upload(random_images(options.batch, network_->input()), device),
              gather_params(entry.recipe.normalization, Augmentation::none, 1)),
      step_(*network_, parameters_, *optimizer_, images_, {.seed = 1}),
      inference_(device, device->new_pool()),
      prepared_(*network_, options.int8 ? calibrate(*network_, images_).quantization : Quantization{}),
      state_(device),
      learning_rate_(learning_rate_of(entry.recipe.optimizer)) {
  if (!options.record) step_.never_record();
}

void Workload::issue() {
  if (options_.train) {
    step_.run({.step = steps_++, .learning_rate = {learning_rate_}}, options_.batch);
    return;
  }
  const auto infer = [&] {
    batch_ = {}, logits_ = {};  // before anything is allocated: a step finds its tensors where they were
    batch_ = images_.draw(options_.batch, state_.device_pointer());
    logits_ = options_.record ? prepared_(batch_.x) : network_->forward({}, batch_.x).value();
  };
  state_.write({});
  if (options_.record)
    inference_.run(infer);
  else
    infer();
}

double Workload::seconds(int steps) {
  finish();
  const double start = now();
  for (int i = 0; i < steps; ++i) issue();
  finish();
  return (now() - start) / steps;
}

double Workload::host_seconds() {
  std::vector<double> samples;
  const double begin = now();
  while (samples.empty() || (samples.size() < 15 && now() - begin < 0.5)) {
    finish();
    const double start = now();
    issue();
    samples.push_back(now() - start);
  }
  finish();
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

}  // namespace tessera::bench
