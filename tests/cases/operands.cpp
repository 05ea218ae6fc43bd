// What operands of slot cases are made of: shapes, roles, values.
#include <cmath>
#include <cstring>

#include "kernels/philox.h"
#include "tests/cases/slot_case.h"

namespace tessera::cases {

std::string extents(const kernels::Dims& dims) {
  std::string t;
  for (int i = 0; i < dims.rank; ++i) {
    if (i > 0) t += 'x';
    t += std::to_string(dims[i]);
  }
  return t;
}

namespace {

template <class T>
Operand of_struct(std::string name, Role role, Element element, const T& value) {
  Operand o{.name = std::move(name), .role = role, .dims = {sizeof(T)}, .fill = {}, .element = element};
  o.contents.resize(sizeof(T));
  std::memcpy(o.contents.data(), &value, sizeof(T));
  return o;
}

double unit(std::uint32_t word) { return static_cast<double>(kernels::to_unit(word)); }

kernels::Random4 draw(std::uint64_t stream, std::int64_t i) {
  return kernels::philox(0, kernels::Purpose::test, stream, static_cast<std::uint64_t>(i));
}

}  // namespace

Fill normal(double mean, double deviation) {
  return [=](std::uint64_t stream, std::int64_t i) {
    const kernels::Random4 r = draw(stream, i);
    return mean + deviation * std::sqrt(3) * (unit(r.v[0]) + unit(r.v[1]) + unit(r.v[2]) + unit(r.v[3]) - 2);
  };
}

Fill uniform(double low, double high) {
  return [=](std::uint64_t stream, std::int64_t i) { return low + (high - low) * unit(draw(stream, i).v[0]); };
}

Fill integers(std::int64_t below) {
  return [=](std::uint64_t stream, std::int64_t i) { return static_cast<double>(draw(stream, i).v[0] % below); };
}

Fill constant(double value) {
  return [=](std::uint64_t, std::int64_t) { return value; };
}

Fill listed(std::vector<double> values) {
  return [v = std::move(values)](std::uint64_t, std::int64_t i) { return v[static_cast<std::size_t>(i) % v.size()]; };
}

Operand input(std::string name, kernels::Dims dims, Fill fill, Element element) {
  return {.name = std::move(name), .role = Role::input, .dims = dims, .fill = std::move(fill), .element = element};
}

Operand output(std::string name, kernels::Dims dims, Element element) {
  return {.name = std::move(name), .role = Role::output, .dims = dims, .fill = {}, .element = element};
}

Operand gradient(std::string name, kernels::Dims dims, Element element) {
  return {.name = std::move(name), .role = Role::gradient, .dims = dims, .fill = normal(), .element = element};
}

Operand in_out(std::string name, kernels::Dims dims, Fill fill, Element element) {
  return {.name = std::move(name), .role = Role::in_out, .dims = dims, .fill = std::move(fill), .element = element};
}

Operand step_state(kernels::StepState state) { return of_struct("state", Role::input, Element::step_state, state); }

Operand step_guard(kernels::StepGuard guard, Role role) { return of_struct("guard", role, Element::step_guard, guard); }

Operand metrics(kernels::Metrics sums) { return of_struct("metrics", Role::in_out, Element::metrics, sums); }

}  // namespace tessera::cases
