#include "engine/run/profile.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <tuple>

#include "engine/run/ranges.h"

namespace tessera {

using namespace kernels;

namespace {

// The names of a slot's parameters, from its row in slots.def: "ConstView x" and "View y", for the others nothing.
std::vector<std::string> names_in(std::string_view row) {
  std::vector<std::string> names;
  int depth = 0;
  std::string word, last;
  const auto end_of_parameter = [&] {
    names.push_back(last);
    last.clear(), word.clear();
  };
  for (const char c : row) {
    if (c == '<') ++depth;
    if (c == '>') --depth;
    if (c == ',' && depth == 0) {
      last = word;
      end_of_parameter();
    } else if (c == ' ' || c == '*' || c == '&') {
      word.clear();
    } else {
      word += c;
    }
  }
  last = word;
  end_of_parameter();
  return names;
}

const std::vector<std::string>& names_of(std::string_view slot) {
  static const std::map<std::string_view, std::vector<std::string>> all{
#define TESSERA_SLOT(name, ...) {#name, names_in(#__VA_ARGS__)},
#include "kernels/slots.def"
  };
  return all.at(slot);
}

double flop_of(const Conv2dShape& s) {
  return 2.0 * static_cast<double>(s.n * s.p * s.q * s.k) * static_cast<double>(s.r * s.s * (s.c / s.groups));
}

}  // namespace

struct Profile::Table {
  Table(const Backend& of, Profile& p) : real(of), runtime(of.runtime), profile(p), backend(make(of, runtime), *this) {}

  struct Front : Backend {
    Front(const Backend& slots, Table& t) : Backend(slots), table(t) {}
    Table& table;
  };
  static Backend make(const Backend& of, Runtime& runtime);

  const Backend& real;
  Runtime runtime;
  Profile& profile;
  Front backend;
};

// What a call is given.
struct Profile::Operands {
  explicit Operands(const std::vector<std::string>& n) : names(n) {}

  void see(const ConstView& v, bool written) {
    if (v) {
      text += (text.empty() ? "" : " ") + names[next] + "[";
      for (int i = 0; i < v.dims.rank; ++i) text += (i > 0 ? "," : "") + std::to_string(v.dims[i]);
      text += "]";
      bytes += static_cast<double>(v.count()) * static_cast<double>(size_of(v.dtype));
      (written ? outputs : inputs).push_back(v);
    }
  }
  void take(const ConstView& v) { see(v, false), ++next; }
  void take(const View& v) { see(v, true), ++next; }
  void take(const Gradient& g) {
    see(g.view, true), ++next;
    if (g && g.accumulate) bytes += static_cast<double>(g.view.count()) * static_cast<double>(size_of(g.view.dtype));
  }
  void take(const Conv2dEpilogue& e) {
    see(e.residual, false), ++next;
    for (const ConstView& v : {e.scale, e.shift})
      if (v) inputs.push_back(v);
  }
  void take(const Conv2dShape& s) { flop = flop_of(s), ++next; }
  void take(const MatmulParams& p) { matmul = p, ++next; }
  template <class Other>
  void take(const Other&) {
    ++next;
  }
  void finish(std::string_view slot) {
    if (slot == "conv2d_backward" || slot == "linear_backward") {  // a product for each gradient but the bias's
      const double one = slot == "conv2d_backward" ? flop : 0;
      flop = 0;
      for (const ConstView& gradient : outputs)
        if (gradient.dims.rank > 1)
          flop += one > 0 ? one : 2.0 * static_cast<double>(inputs.back().count() * gradient.dims.last());
    }
    if (!matmul || inputs.empty() || outputs.empty()) return;
    const std::int64_t inner = inputs[0].dims[matmul->transpose_a ? 0 : 1];
    flop = 2.0 * static_cast<double>(outputs[0].count()) * static_cast<double>(inner);
  }

  const std::vector<std::string>& names;
  std::size_t next = 0;
  std::vector<ConstView> inputs = {}, outputs = {};
  std::string text = {};
  std::optional<MatmulParams> matmul = {};
  double bytes = 0, flop = 0;
};

template <auto slot, class... Arguments>
void Profile::watched(Stream& stream, Arguments... arguments) {
  using SlotType = std::remove_cvref_t<decltype(stream.backend.*slot)>;
  const Table& table = static_cast<const Table::Front&>(stream.backend).table;
  Profile& profile = table.profile;
  Operands operands(names_of(SlotType::name));
  (operands.take(arguments), ...);
  operands.finish(SlotType::name);
  const int layer = profile.layer_of(SlotType::name, operands);
  const NamedRange range(profile.layers_.names[static_cast<std::size_t>(layer)] + " " + SlotType::name);
  const auto begin = std::chrono::steady_clock::now();
  (table.real.*slot)(stream, arguments...);
  if (!table.runtime.host_memory) table.runtime.synchronize(stream.native);
  const auto end = std::chrono::steady_clock::now();
  const auto ns = [](auto span) { return std::chrono::duration_cast<std::chrono::nanoseconds>(span).count(); };
  profile.add(SlotType::name, layer, operands, ns(begin - profile.start_), ns(end - begin));
}

template <auto slot, class Derived, class... Arguments>
auto Profile::watch(const SlotFunction<Derived, void(Stream&, Arguments...)>& real) -> void (*)(Stream&, Arguments...) {
  return real ? &Profile::watched<slot, Arguments...> : nullptr;
}

Backend Profile::Table::make(const Backend& of, Runtime& runtime) {
  runtime.begin_recording = nullptr;  // a replayed step calls no slots
  return {
      .name = of.name,
      .runtime = runtime,
      .overlays = of.overlays,
      .gpu = of.gpu,
#define TESSERA_SLOT(name, ...) .name = watch<&Backend::name>(of.name),
#include "kernels/slots.def"
  };
}

Profile::Profile() = default;
Profile::~Profile() = default;

const Backend& Profile::in_front_of(const Backend& real) {
  table_ = std::make_unique<Table>(real, *this);
  return table_->backend;
}

void Profile::name(const ParameterStore& store) {
  const auto begin = [](const Tensor& t) { return static_cast<const std::byte*>(t.data()); };
  const std::vector<Parameter*>& all = store.parameters();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string path = all[i]->path().substr(0, all[i]->path().rfind('.'));
    const auto first = static_cast<std::size_t>(store.offset(i)), count = static_cast<std::size_t>(all[i]->count());
    for (const Tensor& flat : {store.values(), store.gradients(), store.rounded()})
      if (flat) {
        const std::byte* const at = begin(flat) + first * size_of(flat.dtype());
        parameters_[at] = {path, at + count * size_of(flat.dtype())};
      }
  }
}

int Profile::Words::place(const std::string& word) {
  const auto [at, fresh] = places.try_emplace(word, static_cast<int>(names.size()));
  if (fresh) names.push_back(word);
  return at->second;
}

int Profile::layer_of(const std::string& slot, const Operands& operands) {
  const auto is = [&](std::string_view part) { return slot.find(part) != std::string::npos; };
  // A backward pass has slots of other names too; it begins at the loss and ends with the update.
  if (is("_backward")) backward_ = true;
  if (is("_step") || is("gather")) backward_ = false;
  if (is("_step") || is("check_finite") || is("clip_norm")) return layers_.place(update);
  if (is("write_state")) return layers_.place(other);
  if (is("gather") || is("_images")) return layers_.place(input);
  if (is("cross_entropy") || is("metrics") || is("label_weights")) return layers_.place(loss);
  for (const std::vector<ConstView>* views : {&operands.inputs, &operands.outputs})
    for (const ConstView& v : *views) {
      const auto* const at = static_cast<const std::byte*>(v.data);
      auto found = parameters_.upper_bound(at);
      if (found != parameters_.begin() && at < (--found)->second.end) return layers_.place(found->second.path);
    }
  // Of what it reads, rather what a forward pass has made: a gradient is the layer's behind.
  const Made* best = nullptr;
  for (const ConstView& v : operands.inputs) {
    const auto found = made_.find(v.data);
    if (found != made_.end() && (!best || (best->backward && !found->second.backward))) best = &found->second;
  }
  return best ? best->layer : layers_.place(other);
}

void Profile::add(const char* slot, int layer, const Operands& operands, std::int64_t begin, std::int64_t nanoseconds) {
  for (const ConstView& v : operands.outputs) made_[v.data] = {layer, backward_};
  const int shape = shapes_.place(operands.text);
  ++count_;
  if (calls_.size() < most_calls) calls_.push_back({slot, layer, shape, begin, nanoseconds, operands.bytes, operands.flop});
  Total& total = totals_[{slot, layer, shape}];
  ++total.calls, total.nanoseconds += nanoseconds;
  total.bytes += operands.bytes, total.flop += operands.flop;
}

std::vector<Profile::Sum> Profile::sums() const {
  std::vector<Sum> all;
  for (const auto& [key, total] : totals_) {
    const auto& [slot, layer, shape] = key;
    all.push_back({slot, layers_.names[static_cast<std::size_t>(layer)], shapes_.names[static_cast<std::size_t>(shape)],
                   total.calls, 1e-9 * static_cast<double>(total.nanoseconds), total.bytes, total.flop});
  }
  std::stable_sort(all.begin(), all.end(), [](const Sum& a, const Sum& b) { return a.seconds > b.seconds; });
  return all;
}

}  // namespace tessera
