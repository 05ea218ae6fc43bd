#include "bench/recorded_step.h"

#include <algorithm>
#include <random>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bench/workload.h"
#include "kernels/backends.h"

namespace tessera::bench {
namespace {

using namespace kernels;
using namespace cases;

// ---- values of operands ----------------------------------------------------------------------------------------------

// Fills as cheap as can be, since operands are large: a table of draws, of a prime length so that rows do not repeat.
template <class Draw>
Fill table_of(Draw draw) {
  std::mt19937 generator(1);
  std::vector<double> values(65'537);
  for (double& v : values) v = draw(generator);
  return listed(std::move(values));
}
const Fill& normals() {
  static const Fill fill = table_of([normal = std::normal_distribution<double>()](auto& g) mutable { return normal(g); });
  return fill;
}
const Fill& about_one() {
  static const Fill fill =
      table_of([uniform = std::uniform_real_distribution<double>(0.8, 1.25)](auto& g) mutable { return uniform(g); });
  return fill;
}
const Fill& half_zero() {  // what ReLU leaves
  static const Fill fill =
      table_of([normal = std::normal_distribution<double>()](auto& g) mutable { return std::max(0.0, normal(g)); });
  return fill;
}

// Cheap as well, and valid: labels of the smallest head, rows of the images at hand.
Fill fill_for(const std::string& name, const ConstView& v) {
  const auto below = [](std::int64_t n) {
    return [n](std::uint64_t, std::int64_t i) { return static_cast<double>(i * 7919 % n); };
  };
  if (v.dtype == DType::i32) return below(name == "order" ? v.dims.count() : 2);
  if (v.dtype == DType::u8) return below(251);
  for (const char* positive : {"rstd", "var", "statistics", "moment2"})
    if (name.find(positive) != std::string::npos) return about_one();
  return name == "x" || name == "y" ? half_zero() : normals();
}

Element element_of(DType type) {
  switch (type) {
    case DType::i32: return Element::i32;
    case DType::u8: return Element::u8;
    case DType::f32: return Element::parameter;
    default: return Element::real;
  }
}

// ---- operands out of arguments -----------------------------------------------------------------------------------------

// declare(…) lists an argument's operands; bound(…) is the argument with the operands of a run in it. Plain values, sizes and
// settings, are neither.
void declare(SlotCase& c, const std::string& name, const ConstView& v) {
  if (v) c.operands.push_back(input(name, v.dims, fill_for(name, v), element_of(v.dtype)));
}
void declare(SlotCase& c, const std::string& name, const View& v) {
  if (!v) return;
  const bool changed = name == "weights" || name == "velocity" || name.starts_with("moment") || name.starts_with("running");
  c.operands.push_back(changed ? in_out(name, v.dims, fill_for(name, v), element_of(v.dtype))
                               : output(name, v.dims, element_of(v.dtype)));
}
void declare(SlotCase& c, const std::string& name, const Gradient& g) {
  if (!g) return;
  c.operands.push_back(g.accumulate ? in_out(name, g.view.dims, normals(), element_of(g.view.dtype))
                                    : gradient(name, g.view.dims, element_of(g.view.dtype)));
}
void declare(SlotCase& c, const std::string&, const Conv2dEpilogue& e) {
  declare(c, "scale", e.scale), declare(c, "shift", e.shift), declare(c, "residual", e.residual);
}
void declare(SlotCase& c, const std::string&, const StepState*) {
  StepState state{.step = 4};
  std::fill_n(state.learning_rate, max_groups, 1e-4);
  c.operands.push_back(step_state(state));
}
void declare(SlotCase& c, const std::string&, const StepGuard*) { c.operands.push_back(step_guard({})); }
void declare(SlotCase& c, const std::string&, StepGuard*) { c.operands.push_back(step_guard({}, Role::in_out)); }
void declare(SlotCase& c, const std::string&, Metrics*) { c.operands.push_back(metrics({})); }
template <class Value>
void declare(SlotCase&, const std::string&, const Value&) {}

// The winner of a pooling's window must lie within the image.
void settle(SlotCase& c, const Pool2dShape& s) {
  for (Operand& o : c.operands)
    if (o.name == "index") o.fill = constant(static_cast<double>(s.pad_top * s.s + s.pad_left));
}
template <class Value>
void settle(SlotCase&, const Value&) {}

ConstView bound(const Operands& o, const std::string& name, const ConstView&) { return o.optional(name); }
View bound(const Operands& o, const std::string& name, const View&) { return o.optional(name); }
Gradient bound(const Operands& o, const std::string& name, const Gradient& g) { return {o.optional(name), g.accumulate}; }
Conv2dEpilogue bound(const Operands& o, const std::string&, Conv2dEpilogue e) {
  e.scale = o.optional("scale"), e.shift = o.optional("shift"), e.residual = o.optional("residual");
  return e;
}
const StepState* bound(const Operands& o, const std::string&, const StepState*) { return o.as<StepState>("state"); }
const StepGuard* bound(const Operands& o, const std::string&, const StepGuard*) { return o.as<StepGuard>("guard"); }
StepGuard* bound(const Operands& o, const std::string&, StepGuard*) { return o.as<StepGuard>("guard"); }
Metrics* bound(const Operands& o, const std::string&, Metrics*) { return o.as<Metrics>("metrics"); }
template <class Value>
Value bound(const Operands&, const std::string&, const Value& value) {
  return value;
}

// ---- words and figures -------------------------------------------------------------------------------------------------

const Operand* find(const SlotCase& c, std::string_view name) {
  const auto at = std::find_if(c.operands.begin(), c.operands.end(), [&](const Operand& o) { return o.name == name; });
  return at == c.operands.end() ? nullptr : &*at;
}

std::string window(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  return std::to_string(rows) + "x" + std::to_string(columns) + (stride == 1 ? "" : "/" + std::to_string(stride));
}

struct Description {
  std::string text;
  double flops = 0;
  bool sizes = false;  // the text says the sizes
};
Description described(const SlotCase&, const Conv2dShape& s) {
  std::string text = window(s.r, s.s, s.stride) + " " + std::to_string(s.c) + "->" + std::to_string(s.k) + " @" +
                     std::to_string(s.h) + (s.h == s.w ? "" : "x" + std::to_string(s.w));
  if (s.p != (s.h + s.stride - 1) / s.stride) text += "->" + std::to_string(s.p);
  if (s.groups > 1) text += " in " + std::to_string(s.groups) + " groups";
  return {text, 2.0 * static_cast<double>(s.n * s.p * s.q * s.k) * static_cast<double>(s.r * s.s * s.c / s.groups), true};
}
Description described(const SlotCase&, const Pool2dShape& s) {
  return {window(s.r, s.s, s.stride) + " " + extents({s.n, s.h, s.w, s.c}), 0, true};
}
Description described(const SlotCase& c, const MatmulParams& p) {
  const Dims& product = find(c, "c")->dims;
  const std::int64_t inner = find(c, "a")->dims[p.transpose_a ? 0 : 1];
  return {extents(product) + " over " + std::to_string(inner) + (p.transpose_a ? " a'" : "") + (p.transpose_b ? " b'" : ""),
          2.0 * static_cast<double>(product.count()) * static_cast<double>(inner), true};
}
Description described(const SlotCase& c, const BatchNormParams& p) {
  const Operand* const x = find(c, "x");
  std::string text = x ? extents(x->dims) : "";
  if (find(c, "residual") || find(c, "dresidual")) text += " add";
  if (p.activation == Activation::relu) text += " relu";
  return {text, (find(c, "dy") ? 11.0 : 4.0) * static_cast<double>(x ? x->dims.count() : 0), x != nullptr};
}
Description described(const SlotCase& c, const AdamParams&) {
  return {"", 13.0 * static_cast<double>(find(c, "weights")->dims.count()), false};
}
Description described(const SlotCase& c, const SgdParams&) {
  return {"", 6.0 * static_cast<double>(find(c, "weights")->dims.count()), false};
}
template <class Value>
Description described(const SlotCase&, const Value&) {
  return {};
}

template <class... Arguments>
void describe(SlotCase& c, const Arguments&... arguments) {
  bool sizes = false;
  const auto take = [&](const Description& d) {
    if (!d.text.empty()) c.variant += (c.variant.empty() ? "" : " ") + d.text;
    c.flops += d.flops;
    sizes |= d.sizes;
  };
  const auto adds = [](const auto& argument) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(argument)>, Gradient>) return argument.accumulate;
    return false;
  };
  (take(described(c, arguments)), ...);
  if (!sizes) {
    const auto largest = std::max_element(c.operands.begin(), c.operands.end(), [](const Operand& a, const Operand& b) {
      return a.dims.count() < b.dims.count();
    });
    take({extents(largest->dims)});
  }
  if ((adds(arguments) || ...)) c.variant += " adding";
}

// ---- the table that notes ----------------------------------------------------------------------------------------------

// The names of a slot's parameters, out of their declaration: "const Conv2dShape&, ConstView x" → "", "x".
std::vector<std::string> names_in(std::string_view declaration) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin < declaration.size();) {
    std::size_t end = begin;
    for (int depth = 0; end < declaration.size() && (depth > 0 || declaration[end] != ','); ++end)
      depth += (declaration[end] == '<') - (declaration[end] == '>');
    const std::string_view one = declaration.substr(begin, end - begin);
    names.emplace_back(one.substr(std::min(one.find_last_of(" &*>") + 1, one.size())));
    begin = end + 1;
  }
  return names;
}

class Notes {
 public:
  static Notes& of(Stream& stream) { return *static_cast<Notes*>(stream.library.get()); }

  void add(SlotCase c, int calls, bool ours_alone = false) {
    // One description may stand for several calls, such as with other padding.
    const std::string text = c.variant;
    for (int n = 2;; ++n) {
      const auto at =
          std::find_if(kernels.begin(), kernels.end(), [&](const StepKernel& k) { return k.slot_case.name() == c.name(); });
      if (at == kernels.end()) break;
      if (same_operands(at->slot_case, c)) return void(at->calls += calls);
      c.variant = text + " (" + std::to_string(n) + ")";
    }
    kernels.push_back({std::move(c), calls, ours_alone});
  }

  std::vector<StepKernel> kernels;

 private:
  static bool same_operands(const SlotCase& a, const SlotCase& b) {
    return std::equal(a.operands.begin(), a.operands.end(), b.operands.begin(), b.operands.end(),
                      [](const Operand& x, const Operand& y) {
                        return x.name == y.name && x.role == y.role && x.dims == y.dims && x.element == y.element;
                      });
  }
};

template <class Slot, class... Arguments>
SlotCase case_of(Slot Backend::*slot, const std::vector<std::string>& names, const Arguments&... arguments) {
  SlotCase c{.slot = Slot::name, .variant = "", .operands = {}, .call = {}};
  std::size_t i = 0;
  (declare(c, names[i++], arguments), ...);
  (settle(c, arguments), ...);
  describe(c, arguments...);
  c.call = [slot, names, kept = std::tuple(arguments...)](Stream& stream, const Operands& o) {
    [&]<std::size_t... At>(std::index_sequence<At...>) {
      (stream.backend.*slot)(stream, bound(o, names[At], std::get<At>(kept))...);
    }
    (std::index_sequence_for<Arguments...>{});
  };
  return c;
}

const std::vector<std::string>& names_of(std::string_view slot) {
  static const std::vector<std::pair<std::string_view, std::vector<std::string>>> all{
#define TESSERA_SLOT(name, ...) {#name, names_in(#__VA_ARGS__)},
#include "kernels/slots.def"
  };
  return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.first == slot; })->second;
}

template <auto slot, class... Arguments>
void note(Stream& stream, Arguments... arguments) {
  using Slot = std::remove_cvref_t<decltype(stream.backend.*slot)>;
  Notes::of(stream).add(case_of(slot, names_of(Slot::name), arguments...), 1);
}

// A convolution that hands its sums to batch norm, and that batch norm: with the two that do without.
void note_with_statistics(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, ConstView bias, View y,
                          View statistics) {
  note<&Backend::conv2d_forward_statistics>(stream, shape, x, w, bias, y, statistics);
  Notes::of(stream).add(
      case_of(&Backend::conv2d_forward, names_of("conv2d_forward"), shape, x, w, Conv2dEpilogue{.shift = bias}, y), 0);
}
void note_batch_norm(Stream& stream, const BatchNormParams& params, ConstView x, ConstView statistics, ConstView residual,
                     ConstView gamma, ConstView beta, View running_mean, View running_var, View y, View mean, View rstd) {
  const auto noted = [&](ConstView sums) {
    return case_of(&Backend::batch_norm_training, names_of("batch_norm_training"), params, x, sums, residual, gamma, beta,
                   running_mean, running_var, y, mean, rstd);
  };
  Notes::of(stream).add(noted(statistics), 1, static_cast<bool>(statistics));
  if (!statistics) return;
  SlotCase alone = noted({});
  alone.variant += " from x alone";
  Notes::of(stream).add(std::move(alone), 0);
}

template <auto slot, class Derived, class... Arguments>
auto noting(const SlotFunction<Derived, void(Stream&, Arguments...)>& real) {
  return real ? &note<slot, Arguments...> : nullptr;
}

Backend noting_table(const Backend& of) {
  Backend table{
      .name = "noting",
      .runtime = reference_backend().runtime,
#define TESSERA_SLOT(name, ...) .name = noting<&Backend::name>(of.name),
#include "kernels/slots.def"
  };
  if (of.conv2d_forward_statistics) table.conv2d_forward_statistics = note_with_statistics;
  table.batch_norm_training = note_batch_norm;
  return table;
}

}  // namespace

std::vector<StepKernel> kernels_of_step(const NetworkEntry& network, std::int64_t batch, Precision precision,
                                        const Backend& backend) {
  const Backend table = noting_table(backend);
  const auto notes = std::make_shared<Notes>();
  const auto device = Device::open({.device = "noting", .options = {}, .precision = precision}, table);
  device->stream().library = notes;
  Workload workload(network, device, {.batch = batch});
  notes->kernels.clear();  // what setting up has called
  workload.issue();
  return std::move(notes->kernels);
}

}  // namespace tessera::bench
