// The optimisers there are: a row each. What a recipe says of its optimiser is the options of one of them, and those of
// groups of parameters that follow options of their own.
#pragma once

#include <array>
#include <span>
#include <variant>

#include "engine/optim/adam.h"
#include "engine/optim/adamw.h"
#include "engine/optim/lion.h"
#include "engine/optim/muon.h"
#include "engine/optim/schedule.h"
#include "engine/optim/sgd.h"

namespace tessera {

using OptimizerOptions =
    std::variant<Sgd::Options, Adam::Options, AdamKeras::Options, AdamW::Options, Lion::Options, Muon::Options>;

struct ParameterGroup {
  std::string pattern;  // of parameters' paths, * for any text, several with commas between them: "head.*,*.bias"
  OptimizerOptions optimizer = {};
  std::optional<Schedule> schedule = {};  // of its learning rate; none: the recipe's
  // It trains in the first so many epochs only, in which its schedule comes to its end; none: in all.
  std::optional<std::int64_t> epochs = {};
  template <class F>
  void fields(F& f) {
    f("pattern", pattern, {.help = "Of parameters' paths, * for any text"});
    f("optimizer", optimizer);
    f("schedule", schedule);
    f("epochs", epochs, {.help = "It trains in the first so many only", .least = 1, .most = 1e9});
  }
};

// The optimiser of a whole network. A parameter belongs to the first group whose pattern its path matches, and what matches
// none follows `rest`. Groups of one kind share the tensors of memory(). UsageError: more than kernels::max_groups − 1
// groups, a group that nothing belongs to.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& rest, ParameterStore& parameters,
                                          std::span<const ParameterGroup> groups = {});

// The groups of a rule for all parameters where it cannot move them all: of Muon, which moves filters that batch norm follows,
// one group of AdamW for all the others; where there are groups already, those. UsageError: no such filter.
std::vector<ParameterGroup> completed_groups(const OptimizerOptions& rest, const ParameterStore& parameters,
                                             const std::vector<ParameterGroup>& groups);

// The learning rates of a step, as StepState holds them: of the rest, then of each group.
void set_learning_rates(kernels::StepState& state, const OptimizerOptions& rest, const Schedule& schedule,
                        std::span<const ParameterGroup> groups, const ScheduleTime& time);

// The groups whose epochs are over at that time: bit i for group i. Parameters of theirs rest (Parameter::set_resting).
unsigned groups_over(std::span<const ParameterGroup> groups, const ScheduleTime& time);
void set_resting(ParameterStore& parameters, std::span<const ParameterGroup> groups, unsigned over);

double learning_rate_of(const OptimizerOptions& options);

// A field by its name, for a command line: sets it where the optimiser has one of that name (true), else changes nothing.
bool set_field(OptimizerOptions& options, std::string_view name, double value);
std::optional<double> field_of(const OptimizerOptions& options, std::string_view name);

}  // namespace tessera
