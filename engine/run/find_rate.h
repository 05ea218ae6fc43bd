// The learning rate range test (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3): a hundred
// steps whose rate grows by the same factor each, and the loss of each step's batch. What was trained is thrown away.
#pragma once

#include <string>
#include <vector>

#include "engine/run/run.h"

namespace tessera {

struct RateSweep {
  std::vector<double> rates, losses;
  std::vector<double> smoothed;  // losses, by an exponential mean that keeps 0.8
  double best = 0;               // the rate of the lowest smoothed loss
  double suggestion = 0;         // a tenth of it, two digits: where the loss falls fast and is far from rising
};

// From `lowest` to `highest`; ends before that where the smoothed loss is four times its lowest, or not finite. Interrupted:
// `stop` was set. NonFiniteError: not even the first steps gave a finite loss.
RateSweep sweep_rates(Network& network, ParameterStore& parameters, const Recipe& recipe, BatchSource& train,
                      const std::atomic<bool>* stop = nullptr, double lowest = 1e-6, double highest = 10);

// The same for a run's configuration; leaves report.html, with the curve, and sweep.json, the configuration, in the folder: no
// config.json, since there is no run to resume. UsageError: the recipe has groups of parameters, with rates of their own; the
// folder holds a run.
RateSweep find_rate(const RunRequest& request, Network& network, Dataset&& dataset, const std::shared_ptr<Device>& device,
                    const Console& console);

// {"event": "find-lr", "lr": …, "rates": […], "losses": […]}
std::string sweep_json(const RateSweep& sweep);

}  // namespace tessera
