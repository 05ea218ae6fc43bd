#include "engine/optim/optimizer.h"

#include "engine/optim/adam.h"
#include "engine/optim/sgd.h"

namespace tessera {

std::string OptimizerConfig::name() const {
  if (kind == OptimizerKind::sgd) return "sgd";
  return form == AdamForm::keras ? "adam-keras" : "adam";
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, ParameterStore& parameters) {
  if (config.kind == OptimizerKind::sgd) return std::make_unique<Sgd>(config, parameters);
  return std::make_unique<Adam>(config, parameters);
}

}  // namespace tessera
