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

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, ParameterStore& parameters) {
  return std::visit(
      [&]<class Options>(const Options& o) -> std::unique_ptr<Optimizer> {
        return std::make_unique<typename Options::Rule>(parameters, o);
      },
      options);
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
