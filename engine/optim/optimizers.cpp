#include "engine/optim/optimizers.h"

namespace tessera {
namespace {

// The field of that name, where it is a number.
struct Finder {
  void operator()(std::string_view field, double& member, const FieldNote&) {
    if (field == name) found = &member;
  }
  template <class Other>
  void operator()(std::string_view, Other&, const FieldNote&) {}
  std::string_view name;
  double* found = nullptr;
};

double* find(OptimizerOptions& options, std::string_view name) {
  Finder finder{.name = name};
  std::visit([&](auto& each) { each.fields(finder); }, options);
  return finder.found;
}

std::unique_ptr<Optimizer> make_one(const OptimizerOptions& options, ParameterStore& parameters) {
  return std::visit(
      [&]<class Options>(const Options& o) -> std::unique_ptr<Optimizer> {
        return std::make_unique<typename Options::Rule>(parameters, o);
      },
      options);
}

bool matches(std::string_view pattern, std::string_view text) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  if (!text.starts_with(pattern.substr(0, star))) return false;
  text.remove_prefix(star);
  pattern.remove_prefix(star + 1);
  for (std::size_t skip = 0; skip <= text.size(); ++skip)
    if (matches(pattern, text.substr(skip))) return true;
  return false;
}

// One of a list with commas.
bool matches_any(std::string_view patterns, std::string_view text) {
  for (;;) {
    const std::size_t comma = patterns.find(',');
    if (matches(patterns.substr(0, comma), text)) return true;
    if (comma == std::string_view::npos) return false;
    patterns.remove_prefix(comma + 1);
  }
}

// The number of the group that a parameter belongs to: 0 for the rest.
int group_of(const Parameter& parameter, std::span<const ParameterGroup> groups) {
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (matches_any(groups[i].pattern, parameter.path())) return static_cast<int>(i) + 1;
  return 0;
}

// Is parameter i a convolution's filters, and the layer behind it, in the order of the network's members, a norm of as many
// channels?
bool norm_follows(const std::vector<Parameter*>& parameters, std::size_t i) {
  const Parameter& filters = *parameters[i];
  if (filters.shape().rank != 4) return false;
  const std::string module = filters.path().substr(0, filters.path().rfind('.') + 1);
  std::size_t next = i + 1;
  while (next < parameters.size() && parameters[next]->path().starts_with(module)) ++next;  // its bias
  return next < parameters.size() && parameters[next]->path().ends_with(".weight") &&
         parameters[next]->shape() == Shape{filters.shape()[0]};
}

}  // namespace

// One optimiser for each group; what two of them remember under one name is one tensor, since their parameters are disjoint.
class GroupedOptimizer : public Optimizer {
 public:
  GroupedOptimizer(const OptimizerOptions& rest, ParameterStore& parameters, std::span<const ParameterGroup> groups)
      : Optimizer(parameters, learning_rate_of(rest)) {
    add(rest, groups, 0);
    for (const ParameterGroup& group : groups) add(group.optimizer, groups, static_cast<int>(parts_.size()));
  }
  void update(const kernels::StepState* state, const kernels::StepGuard* guard) override {
    for (const auto& part : parts_) part->update(state, guard);
  }

 private:
  void add(const OptimizerOptions& options, std::span<const ParameterGroup> groups, int number) {
    std::unique_ptr<Optimizer> part = make_one(options, parameters_);
    part->only([&](const Parameter& parameter) { return group_of(parameter, groups) == number; }, number);
    for (auto& [name, tensor] : part->memory_) tensor = memory_.try_emplace(name, tensor).first->second;
    parts_.push_back(std::move(part));
  }

  std::vector<std::unique_ptr<Optimizer>> parts_;
};

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& rest, ParameterStore& parameters,
                                          std::span<const ParameterGroup> groups) {
  if (groups.empty()) return make_one(rest, parameters);
  if (groups.size() >= kernels::max_groups)
    throw UsageError("an optimiser has at most " + std::to_string(kernels::max_groups - 1) + " groups of parameters, not " +
                     std::to_string(groups.size()));
  std::vector<bool> used(groups.size() + 1);
  for (const Parameter* parameter : parameters.parameters())
    used[static_cast<std::size_t>(group_of(*parameter, groups))] = true;
  for (std::size_t i = 0; i < groups.size() && !parameters.is_part(); ++i)
    if (!used[i + 1])
      throw UsageError("no parameter belongs to the group '" + groups[i].pattern +
                       "': none is called so, or they all match " + "an earlier group");
  return std::make_unique<GroupedOptimizer>(rest, parameters, groups);
}

std::vector<ParameterGroup> completed_groups(const OptimizerOptions& rest, const ParameterStore& parameters,
                                             const std::vector<ParameterGroup>& groups) {
  if (!std::holds_alternative<Muon::Options>(rest) || !groups.empty()) return groups;
  std::string others;
  bool any = false;
  for (std::size_t i = 0; i < parameters.parameters().size(); ++i)
    if (norm_follows(parameters.parameters(), i))
      any = true;
    else
      others += (others.empty() ? "" : ",") + parameters.parameters()[i]->path();
  if (!any) throw UsageError("the optimiser muon moves filters that batch norm follows, and this network has none");
  return {{.pattern = others, .optimizer = AdamW::Options{}}};
}

void set_learning_rates(kernels::StepState& state, const OptimizerOptions& rest, const Schedule& schedule,
                        std::span<const ParameterGroup> groups, const ScheduleTime& time) {
  state.learning_rate[0] = learning_rate_at(schedule, learning_rate_of(rest), time);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const ParameterGroup& group = groups[i];
    ScheduleTime own = time;
    if (group.epochs) own.steps = std::min(static_cast<double>(*group.epochs) * time.steps_per_epoch, time.steps);
    const bool over = group.epochs && time.step >= own.steps;
    state.learning_rate[i + 1] =
        over ? 0 : learning_rate_at(group.schedule.value_or(schedule), learning_rate_of(group.optimizer), own);
  }
}

unsigned groups_over(std::span<const ParameterGroup> groups, const ScheduleTime& time) {
  unsigned over = 0;
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (groups[i].epochs && time.step >= static_cast<double>(*groups[i].epochs) * time.steps_per_epoch) over |= 1u << i;
  return over;
}

void set_resting(ParameterStore& parameters, std::span<const ParameterGroup> groups, unsigned over) {
  for (Parameter* parameter : parameters.parameters()) {
    const int group = group_of(*parameter, groups);
    parameter->set_resting(group > 0 && (over >> (group - 1) & 1u) != 0);
  }
}

double learning_rate_of(const OptimizerOptions& options) {
  return std::visit([](const auto& each) { return each.learning_rate; }, options);
}

bool set_field(OptimizerOptions& options, std::string_view name, double value) {
  double* field = find(options, name);
  if (field) *field = value;
  return field != nullptr;
}

std::optional<double> field_of(const OptimizerOptions& options, std::string_view name) {
  OptimizerOptions copy = options;
  const double* field = find(copy, name);
  return field ? std::optional(*field) : std::nullopt;
}

}  // namespace tessera
