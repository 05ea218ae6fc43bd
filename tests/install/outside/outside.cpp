// Builds a network of the catalogue, trains it for one step and evaluates it, with nothing but the installed library.
#include <cmath>
#include <cstdio>

#include "engine/data/open.h"
#include "engine/optim/optimizers.h"
#include "engine/train/evaluate.h"
#include "engine/train/train_step.h"
#include "models/catalogue.h"

int main() {
  using namespace tessera;
  const auto device = Device::open({.device = "cpu"});
  const auto network = require_network("lenet5_relu").make({});
  ParameterStore parameters(*network, device, 1);
  const auto optimizer = make_optimizer(Sgd::Options{.learning_rate = 0.01}, parameters);
  const Dataset data = open_dataset("synthetic");

  const auto images = [&](const ImageSet& set) {
    return ImageBatches(DeviceImages::upload(set, device), gather_params(Normalization::none, Augmentation::none, 1));
  };
  const ImageBatches test = images(data.test);
  const Evaluation before = evaluate(*network, test, {});
  const ImageBatches train = images(data.train);
  TrainStep(*network, parameters, *optimizer, train, {.seed = 1}).run({.learning_rate = {0.01}}, 32);
  const Evaluation after = evaluate(*network, test, {});

  std::printf("%lld parameters, %lld images, loss %.6f, after a step %.6f\n",
              static_cast<long long>(parameters.trainable_count()), static_cast<long long>(after.samples), before.loss,
              after.loss);
  const bool right = parameters.trainable_count() == 62006 && after.samples == data.test.count &&
                     std::isfinite(after.loss) && after.loss != before.loss;
  return right ? 0 : 1;
}
