#include "tests/cases/slot_case.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "kernels/backends.h"

namespace tessera::cases {
namespace {

using kernels::DType;
using kernels::View;

bool is_struct(Element e) { return e == Element::step_state || e == Element::step_guard || e == Element::metrics; }

DType dtype(Element e, DType real) {
  switch (e) {
    case Element::real: return real;
    case Element::parameter: return real == DType::bf16 ? DType::f32 : real;
    case Element::bf16: return DType::bf16;
    case Element::i32: return DType::i32;
    default: return DType::u8;
  }
}

// The name of an operand as a number (FNV-1a); philox takes 60 bits.
std::uint64_t stream_of(const std::string& text) {
  std::uint64_t h = 14695981039346656037ull;
  for (unsigned char c : text) h = (h ^ c) * 1099511628211ull;
  return h & 0x0fffffffffffffffull;
}

template <class T>
T element(double value) {
  if constexpr (std::is_same_v<T, kernels::bf16>)
    return kernels::to_bf16(static_cast<float>(value));
  else
    return static_cast<T>(value);
}
double number(kernels::bf16 x) { return static_cast<double>(kernels::to_float(x)); }
template <class T>
double number(T x) {
  return static_cast<double>(x);
}

template <class T>
void store(std::vector<std::byte>& to, std::int64_t i, double value) {
  const T t = element<T>(value);
  std::memcpy(to.data() + static_cast<std::size_t>(i) * sizeof(T), &t, sizeof(T));
}

// Calls fill(i) for each i below count: those of benchmarks, tens of millions, by all cores.
template <class FillOne>
void in_parts(std::int64_t count, const FillOne& fill) {
  const std::int64_t parts = count < 1 << 20 ? 1 : std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> others;
  const auto part = [&](std::int64_t p) {
    for (std::int64_t i = count * p / parts; i < count * (p + 1) / parts; ++i) fill(i);
  };
  for (std::int64_t p = 1; p < parts; ++p) others.emplace_back(part, p);
  part(0);
}

std::vector<std::byte> filled(const Operand& o, std::uint64_t stream, DType real, DType values) {
  if (is_struct(o.element)) return o.contents;
  std::vector<std::byte> to(o.bytes(real));
  in_parts(o.dims.count(), [&](std::int64_t i) {
    double value = static_cast<double>(static_cast<float>(o.fill(stream, i)));
    if (o.element == Element::real && values == DType::bf16) value = number(element<kernels::bf16>(value));
    switch (dtype(o.element, real)) {
      case DType::f32: store<float>(to, i, value); break;
      case DType::f64: store<double>(to, i, value); break;
      case DType::bf16: store<kernels::bf16>(to, i, value); break;
      case DType::i32: store<std::int32_t>(to, i, value); break;
      default: store<std::uint8_t>(to, i, value); break;
    }
  });
  return to;
}

template <class T>
std::vector<double> as_doubles(const std::vector<std::byte>& bytes) {
  std::vector<double> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T t;
    std::memcpy(&t, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = number(t);
  }
  return values;
}

std::vector<double> decoded(const Operand& o, const std::vector<std::byte>& bytes, DType real) {
  if (o.element == Element::metrics) return as_doubles<double>(bytes);
  if (o.element == Element::step_guard) {
    kernels::StepGuard g;
    std::memcpy(&g, bytes.data(), sizeof g);
    return {static_cast<double>(g.skip), static_cast<double>(g.consecutive), static_cast<double>(g.skipped)};
  }
  switch (dtype(o.element, real)) {
    case DType::f32: return as_doubles<float>(bytes);
    case DType::f64: return as_doubles<double>(bytes);
    case DType::bf16: return as_doubles<kernels::bf16>(bytes);
    case DType::i32: return as_doubles<std::int32_t>(bytes);
    default: return as_doubles<std::uint8_t>(bytes);
  }
}

// Of the finite values.
double largest_magnitude(const std::vector<double>& values) {
  double largest = 0;
  for (double v : values)
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  return largest;
}

bool matches_one(const SlotCase& c, const std::string& pattern) {
  return fnmatch(pattern.c_str(), c.name().c_str(), 0) == 0 || fnmatch(pattern.c_str(), c.slot.c_str(), 0) == 0;
}

// Kernels that read whole vectors where they can: a case of each once more, with every operand one element off.
void add_unaligned(std::vector<SlotCase>& all) {
  const char* const again[] = {"arithmetic/a * b n=1025",
                               "arithmetic/a times row 5x257",
                               "convert/* n=1031",
                               "scale/n=255 with factor",
                               "activation_forward/* n=257",
                               "activation_backward/* n=257",
                               "dropout/p=0.5 n=257",
                               "permute/3x4x4x33 axes 0312",
                               "copy_columns/2x3x3x16 columns 0+16 to 2x3x3x64 at 16",
                               "sum/n=1025",
                               "sum_of_squares/n=1025",
                               "column_sums/2085x24",
                               "max_pool_forward/3x3 s2 pad0 8x8 to 4x4 c16 n2",
                               "max_pool_backward/3x3 s2 pad0 8x8 to 4x4 c16 n2",
                               "global_average_pool_forward/5x8x8x64",
                               "global_average_pool_backward/5x8x8x64",
                               "batch_norm_training/128x64 residual relu",
                               "batch_norm_training/3x8x8x64 residual relu given statistics",
                               "batch_norm_inference/128x64 residual relu",
                               "batch_norm_fold/64 bias",
                               "batch_norm_backward/128x64 relu dx dresidual dgamma dbeta",
                               "check_finite/n=1025 NaN last",
                               "sgd_step/plain n=1025 with a copy",
                               "sgd_step/nesterov and decay n=1025 with a copy",
                               "adam_step/pytorch n=1025 with a copy",
                               "lion_step/decay, group 2 n=1025 with a copy",
                               "average_step/none kept n=1025",
                               "clip_norm/shorter n=1025",
                               "gather_batch/5 of 9 8x8x3 pad4 flip"};
  const std::size_t aligned = all.size();
  for (const char* pattern : again) {
    const std::size_t before = all.size();
    for (std::size_t i = 0; i < aligned; ++i) {
      if (!matches_one(all[i], pattern)) continue;
      SlotCase c = all[i];
      c.variant += " unaligned";
      for (Operand& o : c.operands) o.offset = is_struct(o.element) ? 0 : 1;
      all.push_back(std::move(c));
    }
    if (all.size() == before) throw std::logic_error(std::string("slot cases: no case '") + pattern + "' to run unaligned");
  }
}

std::vector<std::string> patterns(std::string_view separated) {
  std::istringstream list{std::string(separated)};
  std::vector<std::string> all;
  for (std::string one; std::getline(list, one, ',');) all.push_back(one);
  return all;
}

}  // namespace

std::size_t Operand::bytes(DType real) const {
  return static_cast<std::size_t>(dims.count()) * kernels::size_of(dtype(element, real));
}

View Operands::optional(std::string_view name) const {
  for (const Entry& e : entries_)
    if (e.operand->name == name) return e.view;
  return {};
}

View Operands::operator[](std::string_view name) const {
  const View view = optional(name);
  if (!view) throw std::out_of_range("slot case: no operand is called '" + std::string(name) + "'");
  return view;
}

bool SlotCase::has_gradient() const {
  return std::ranges::any_of(operands, [](const Operand& o) { return o.role == Role::gradient; });
}

double SlotCase::bytes() const {
  double sum = 0;
  for (const Operand& o : operands) sum += static_cast<double>(o.bytes(DType::f32)) * (o.role == Role::in_out ? 2 : 1);
  return sum;
}

std::vector<SlotCase> slot_cases() {
  std::vector<SlotCase> all;
  add_elementwise_cases(all);
  add_reduction_cases(all);
  add_matmul_cases(all);
  add_conv2d_cases(all);
  add_pool_cases(all);
  add_batch_norm_cases(all);
  add_layer_norm_cases(all);
  add_loss_cases(all);
  add_optimizer_cases(all);
  add_muon_cases(all);
  add_gather_cases(all);
  add_alteration_cases(all);
  add_unaligned(all);
  return all;
}

bool matches(const SlotCase& c, std::string_view pattern) {
  const std::vector<std::string> list = patterns(pattern);
  return list.empty() || std::ranges::any_of(list, [&](const std::string& one) { return matches_one(c, one); });
}

void require_matches(std::string_view pattern, const std::vector<const SlotCase*>& among) {
  for (const std::string& one : patterns(pattern)) {
    if (std::ranges::any_of(among, [&](const SlotCase* c) { return matches_one(*c, one); })) continue;
    std::vector<std::string> named;
    std::string slots;
    for (const SlotCase* c : among)
      if (std::ranges::find(named, c->slot) == named.end()) {
        named.push_back(c->slot);
        slots += (slots.empty() ? "" : ", ") + c->slot;
      }
    throw std::invalid_argument("no slot case matches '" + one + "'. A pattern is of a slot or of slot/variant, as in '" +
                                among.front()->slot + "*' or '" + among.front()->name() + "'; slots: " + slots);
  }
}

std::vector<SlotCase> slot_cases(std::string_view pattern, Size largest) {
  const std::vector<SlotCase> all = slot_cases();
  std::vector<const SlotCase*> among;
  for (const SlotCase& c : all) among.push_back(&c);
  require_matches(pattern, among);
  std::vector<SlotCase> chosen;
  for (const SlotCase& c : all)
    if (c.size <= largest && matches(c, pattern)) chosen.push_back(c);
  if (chosen.empty())
    throw std::invalid_argument("no slot case that matches '" + std::string(pattern) + "' is of size " +
                                (largest == Size::quick ? "quick" : "quick or medium") + ": they are all larger");
  return chosen;
}

bool has_kernel(const SlotCase& c, const kernels::Backend& backend) {
  bool found = false;
  kernels::for_each_slot(backend, [&](const auto& slot) { found = found || (c.slot == slot.name && slot); });
  return found;
}

bool same_kernel(std::string_view slot, const kernels::Backend& a, const kernels::Backend& b) {
  bool same = false;
  kernels::for_each_slot(a, [&](const auto& of_a) {
    if (slot != of_a.name) return;
    kernels::for_each_slot(b, [&](const auto& of_b) {
      if constexpr (std::is_same_v<decltype(of_a), decltype(of_b)>) same = of_a == of_b;  // a slot's type holds its name
    });
  });
  return same;
}

Contents contents(const SlotCase& c, DType real, bool accumulate, DType values) {
  if (real == DType::bf16) values = DType::bf16;
  Contents all;
  for (const Operand& o : c.operands) {
    const bool poisoned = o.role == Role::output || (o.role == Role::gradient && !accumulate);
    all.push_back(poisoned ? std::vector<std::byte>(o.bytes(real), std::byte{0xFF})
                           : filled(o, stream_of(c.name() + "." + o.name), real, values));
  }
  return all;
}

Prepared::Prepared(const SlotCase& c, kernels::Stream& stream, DType real, bool accumulate, DType values)
    : Prepared(c, stream, real, accumulate, std::make_shared<const Contents>(contents(c, real, accumulate, values))) {}

Prepared::Prepared(const SlotCase& c, kernels::Stream& stream, DType real, bool accumulate,
                   std::shared_ptr<const Contents> initial)
    : case_(c), stream_(stream), real_(real), initial_(std::move(initial)) {
  std::vector<Operands::Entry> entries;
  const kernels::Runtime& runtime = stream.backend.runtime;
  for (const Operand& o : c.operands) {
    const std::size_t before = static_cast<std::size_t>(o.offset) * kernels::size_of(dtype(o.element, real));
    memory_.emplace_back(runtime.allocate(stream.device, before + o.bytes(real)), Release{&runtime, stream.device});
    operand_at_.push_back(static_cast<std::byte*>(memory_.back().get()) + before);
    entries.push_back({&o, {operand_at_.back(), dtype(o.element, real), o.dims}});
  }
  operands_.emplace(std::move(entries), accumulate);
  reset();
}

void Prepared::reset() {
  const kernels::Runtime& runtime = stream_.backend.runtime;
  for (std::size_t i = 0; i < operand_at_.size(); ++i)
    runtime.copy(stream_.native, operand_at_[i], (*initial_)[i].data(), (*initial_)[i].size(),
                 kernels::Copy::host_to_device);
  runtime.synchronize(stream_.native);
}

void Prepared::call() { case_.call(stream_, *operands_); }

Outputs Prepared::outputs() {
  const kernels::Runtime& runtime = stream_.backend.runtime;
  Outputs outputs;
  for (std::size_t i = 0; i < operand_at_.size(); ++i) {
    const Operand& o = case_.operands[i];
    const std::vector<std::byte>& initial = (*initial_)[i];
    std::vector<std::byte> bytes(initial.size());
    runtime.copy(stream_.native, bytes.data(), operand_at_[i], bytes.size(), kernels::Copy::device_to_host);
    runtime.synchronize(stream_.native);
    if (o.role != Role::input)
      outputs.push_back({o.name, decoded(o, bytes, real_), std::move(bytes), largest_magnitude(decoded(o, initial, real_))});
    else if (bytes != initial)
      throw std::logic_error("[" + case_.name() + "] the kernel changed its input '" + o.name + "'");
  }
  return outputs;
}

Outputs run(const SlotCase& c, const kernels::Backend& backend, DType real, kernels::Options options, bool accumulate,
            int device) {
  if (options.instruction_set == kernels::InstructionSet::best)
    options.instruction_set = kernels::instruction_set_of_environment();
  kernels::Stream stream(backend, device, options);
  Prepared prepared(c, stream, real, accumulate);
  prepared.call();
  return prepared.outputs();
}

Outputs expected(const SlotCase& c, DType real, bool accumulate) {
  kernels::Stream stream(kernels::reference_backend(), 0, {});
  Prepared prepared(c, stream, DType::f64, accumulate, real);
  prepared.call();
  return prepared.outputs();
}

std::string compare(const SlotCase& c, const Outputs& got, const Outputs& expected, DType real) {
  constexpr double bf16_rounding = 1.0 / 256;
  for (std::size_t o = 0; o < expected.size(); ++o) {
    const std::vector<double>&g = got.at(o).values, &e = expected[o].values;
    if (g.size() != e.size()) return expected[o].name + ": different sizes";
    const double largest = std::max({largest_magnitude(e), expected[o].initial, c.magnitude});
    const auto operand = std::ranges::find(c.operands, expected[o].name, &Operand::name);
    const Element made_of = operand->element;
    const bool exact = made_of == Element::i32 || made_of == Element::u8 || made_of == Element::step_guard;
    const double allowed = exact ? 0 : (c.tolerance + (real == DType::bf16 ? c.bf16_tolerance : 0)) * largest;
    const bool rounded = dtype(made_of, real) == DType::bf16;
    std::size_t worst = 0, wrong = 0;
    double worst_error = -1;
    for (std::size_t i = 0; i < e.size(); ++i) {
      const bool both_nan = std::isnan(g[i]) && std::isnan(e[i]);
      if (both_nan || g[i] == e[i]) continue;
      double error = std::abs(g[i] - e[i]);
      if (std::isnan(error)) error = std::numeric_limits<double>::infinity();
      if (error <= allowed + (rounded ? bf16_rounding * std::abs(e[i]) : 0)) continue;
      ++wrong;
      if (error > worst_error) worst_error = error, worst = i;
    }
    if (wrong == 0) continue;
    std::ostringstream text;
    text.precision(9);
    text << expected[o].name << "[" << worst << "] = " << g[worst] << ", expected " << e[worst] << " (error " << worst_error
         << ", allowed " << allowed << "); " << wrong << " of " << e.size() << " elements are wrong";
    return text.str();
  }
  return {};
}

std::string compare_bits(const Outputs& first, const Outputs& second) {
  for (std::size_t o = 0; o < first.size(); ++o) {
    if (first[o].bytes == second.at(o).bytes) continue;
    std::size_t i = 0;
    while (i + 1 < first[o].values.size() && first[o].values[i] == second[o].values[i]) ++i;
    std::ostringstream text;
    text.precision(17);
    text << first[o].name << " differs, e.g. at [" << i << "]: " << first[o].values[i] << " and " << second[o].values[i];
    return text.str();
  }
  return {};
}

}  // namespace tessera::cases
