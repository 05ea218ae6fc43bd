// The optimisers there are: a row each. What a recipe says of its optimiser is the options of one of them.
#pragma once

#include <variant>

#include "engine/optim/adam.h"
#include "engine/optim/sgd.h"

namespace tessera {

using OptimizerOptions = std::variant<Sgd::Options, Adam::Options, AdamKeras::Options>;

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, ParameterStore& parameters);

// Of whichever optimiser it is: its learning rate.
double learning_rate_of(const OptimizerOptions& options);

// A field by its name, for a command line: sets it where the optimiser has one of that name (true), else changes nothing.
bool set_field(OptimizerOptions& options, std::string_view name, double value);
std::optional<double> field_of(const OptimizerOptions& options, std::string_view name);

}  // namespace tessera
