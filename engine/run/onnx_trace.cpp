#include "engine/run/onnx_trace.h"

#include <algorithm>
#include <array>
#include <map>

#include "engine/core/error.h"
#include "kernels/backends.h"
#include "kernels/slot.h"

namespace tessera {
namespace {

using namespace kernels;
using Extents = std::vector<std::int64_t>;

const Backend& cpu() { return *find_backend("cpu"); }

// How the graph holds a tensor of ours.
enum class Layout : std::uint8_t {
  same,
  channels_first,  // ours N,H,W,C; the graph's N,C,H,W
};

struct Value {
  std::string name;
  Layout layout;
  int rank;
  bool plain;  // maps of one pixel or one channel: both layouts are the same row
};

class Trace final : public LayerObserver {
 public:
  explicit Trace(const ParameterStore& parameters) {
    for (const Parameter* parameter : parameters.parameters())
      if (*parameter) names_[parameter->value().data()] = parameter->path();
  }

  static Trace* of(Stream& stream) { return static_cast<Trace*>(stream.library.get()); }

  // ---- values --------------------------------------------------------------------------------------------------------

  bool holds(const ConstView& v) const { return v && values_.contains(v.data); }

  // The graph's name of a tensor that depends on the images, as a tensor of this rank and layout.
  std::string get(const ConstView& v, Layout layout, int rank = 0) {
    Value value = values_.at(v.data);
    if (rank == 2 && value.rank == 4) {
      if (value.layout == Layout::channels_first && !value.plain)
        value.name = emit("Transpose", {value.name}, {{"perm", Extents{0, 2, 3, 1}}});
      return emit("Flatten", {value.name}, {{"axis", std::int64_t{1}}});
    }
    if (value.layout == layout || value.rank < 4) return value.name;
    const Extents perm = layout == Layout::channels_first ? Extents{0, 3, 1, 2} : Extents{0, 2, 3, 1};
    return emit("Transpose", {value.name}, {{"perm", perm}});
  }
  Layout layout_of(const ConstView& v) const { return values_.at(v.data).layout; }

  void put(const ConstView& v, std::string name, Layout layout) {
    const bool maps = v.dims.rank == 4;
    values_[v.data] = {std::move(name), maps ? layout : Layout::same, v.dims.rank,
                       maps && (v.dims[1] * v.dims[2] == 1 || v.dims[3] == 1)};
  }
  // Adds it to what v holds already, where the slot does.
  void put(const Gradient& y, std::string name, Layout layout) {
    if (y.accumulate) {
      if (!holds(y.view)) fail("adding to a constant");
      name = emit("Add", {get(y.view, layout), std::move(name)});
    }
    put(y.view, std::move(name), layout);
  }
  void forget(const ConstView& v) { values_.erase(v.data); }

  // ---- nodes -----------------------------------------------------------------------------------------------------------

  std::string emit(std::string op, std::vector<std::string> inputs, std::vector<OnnxAttribute> attributes = {}) {
    std::string output = "v" + std::to_string(model.nodes.size());
    model.nodes.push_back({std::move(op), std::move(inputs), output, std::move(attributes)});
    return output;
  }

  std::string constant(std::string name, Extents dims, std::vector<float> values) {
    const int number = names_taken_[name]++;
    if (number > 0) name += "." + std::to_string(number);
    model.constants.push_back({name, std::move(dims), std::move(values)});
    return name;
  }
  std::string constant(float value) { return constant("constant", {}, {value}); }
  // One number a channel, to meet maps or rows.
  std::string channels(const std::string& name, std::vector<float> values, bool maps) {
    const auto count = static_cast<std::int64_t>(values.size());
    return constant(name, maps ? Extents{count, 1, 1} : Extents{count}, std::move(values));
  }
  std::string name_of(const ConstView& v, const char* otherwise) const {
    const auto at = names_.find(v.data);
    return at == names_.end() ? otherwise : at->second;
  }

  std::string activated(std::string x, Activation f) {
    switch (f) {
      case Activation::none: return x;
      case Activation::relu: return emit("Relu", {x});
      case Activation::sigmoid: return emit("Sigmoid", {x});
      case Activation::silu: return emit("Mul", {x, emit("Sigmoid", {x})});
      case Activation::gelu: {  // x/2·(1 + erf(x/√2)); an op of its own only since opset 20
        const std::string erf = emit("Erf", {emit("Mul", {x, constant(0.70710678118654752f)})});
        return emit("Mul", {emit("Mul", {x, constant(0.5f)}), emit("Add", {erf, constant(1.0f)})});
      }
    }
    return x;
  }

  [[noreturn]] static void fail(const std::string& what) {
    throw UsageError("this network cannot be written as ONNX: " + what + " has no translation yet");
  }

  // Nodes since the last layer are this one's.
  void on_layer(const Module& layer, const char* kind, const Variable&, double) override {
    for (; named_ < model.nodes.size(); ++named_)
      model.nodes[named_].name =
          (layer.path().empty() ? kind : layer.path()) + "/" + model.nodes[named_].op + "_" + std::to_string(named_);
  }

  // Columns that copy_columns has written so far, by the tensor they are of.
  std::map<const void*, std::map<std::int64_t, std::string>> parts;
  OnnxModel model;

 private:
  std::map<const void*, Value> values_;  // of tensors that depend on the images
  std::map<const void*, std::string> names_;
  std::map<std::string, int> names_taken_;
  std::size_t named_ = 0;
};

std::vector<float> floats(const ConstView& v) { return {v.as<float>(), v.as<float>() + v.count()}; }

// [K,R,S,C] → [K,C,R,S], each filter times its scale.
std::vector<float> oihw(const ConstView& w, const ConstView& scale) {
  const std::int64_t k = w.dims[0], taps = w.dims[1] * w.dims[2], c = w.dims[3];
  std::vector<float> to(static_cast<std::size_t>(w.count()));
  for (std::int64_t filter = 0; filter < k; ++filter)
    for (std::int64_t tap = 0; tap < taps; ++tap)
      for (std::int64_t i = 0; i < c; ++i)
        to[static_cast<std::size_t>((filter * c + i) * taps + tap)] =
            w.as<float>()[(filter * taps + tap) * c + i] * (scale ? scale.as<float>()[filter] : 1.0f);
  return to;
}

// Padding of a window that walks along one axis: in front, and behind as far as the last window reaches beyond the extent.
std::int64_t pad_behind(std::int64_t outputs, std::int64_t stride, std::int64_t window, std::int64_t extent,
                        std::int64_t in_front) {
  return std::max<std::int64_t>(0, (outputs - 1) * stride + window - extent - in_front);
}
template <class Shape>
std::vector<OnnxAttribute> window_attributes(const Shape& s) {
  return {{"kernel_shape", Extents{s.r, s.s}},
          {"strides", Extents{s.stride, s.stride}},
          {"pads", Extents{s.pad_top, s.pad_left, pad_behind(s.p, s.stride, s.r, s.h, s.pad_top),
                           pad_behind(s.q, s.stride, s.s, s.w, s.pad_left)}}};
}

// ---- translations, one for each slot of inference --------------------------------------------------------------------------

void translate_conv2d(Trace& t, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& e, View y) {
  if (t.holds(w)) Trace::fail("a convolution with filters computed from the images");
  const std::string path = t.name_of(w, "filters");
  std::vector<std::string> inputs{t.get(x, Layout::channels_first),
                                  t.constant(path, {shape.k, shape.c / shape.groups, shape.r, shape.s}, oihw(w, e.scale))};
  if (e.shift) inputs.push_back(t.constant(t.name_of(e.shift, (path + ".shift").c_str()), {shape.k}, floats(e.shift)));
  std::vector<OnnxAttribute> attributes = window_attributes(shape);
  if (shape.groups > 1) attributes.push_back({"group", shape.groups});
  std::string name = t.emit("Conv", std::move(inputs), std::move(attributes));
  if (e.residual) {
    if (!t.holds(e.residual)) Trace::fail("a constant residual");
    name = t.emit("Add", {name, t.get(e.residual, Layout::channels_first)});
  }
  t.put(y, t.activated(name, e.activation), Layout::channels_first);
}

void translate_max_pool(Trace& t, const Pool2dShape& shape, ConstView x, View y, View) {
  t.put(y, t.emit("MaxPool", {t.get(x, Layout::channels_first)}, window_attributes(shape)), Layout::channels_first);
}

void translate_average_pool(Trace& t, const Pool2dShape& shape, bool count_padding, ConstView x, View y) {
  std::vector<OnnxAttribute> attributes = window_attributes(shape);
  attributes.push_back({"count_include_pad", std::int64_t{count_padding}});
  t.put(y, t.emit("AveragePool", {t.get(x, Layout::channels_first)}, std::move(attributes)), Layout::channels_first);
}

void translate_global_average_pool(Trace& t, ConstView x, View y) {
  const std::string mean = t.emit("GlobalAveragePool", {t.get(x, Layout::channels_first)});
  t.put(y, t.emit("Flatten", {mean}, {{"axis", std::int64_t{1}}}), Layout::same);
}

void translate_matmul(Trace& t, const MatmulParams& p, ConstView a, ConstView b, ConstView bias, Gradient c) {
  if (!t.holds(a) || t.holds(b) || p.transpose_a) Trace::fail("a product of other than images and weights");
  std::vector<std::string> inputs{t.get(a, Layout::same, 2),
                                  t.constant(t.name_of(b, "matrix"), {b.dims[0], b.dims[1]}, floats(b))};
  if (bias) inputs.push_back(t.constant(t.name_of(bias, "bias"), {bias.count()}, floats(bias)));
  const std::string name = t.emit("Gemm", std::move(inputs), {{"transB", std::int64_t{p.transpose_b}}});
  t.put(c, t.activated(name, p.activation), Layout::same);
}

void translate_batch_norm(Trace& t, const BatchNormParams& p, ConstView x, ConstView residual, ConstView gamma,
                          ConstView beta, ConstView mean, ConstView var, View y, View) {
  const auto statistic = [&](const ConstView& v, const char* otherwise) {
    return t.constant(t.name_of(v, otherwise), {v.count()}, floats(v));
  };
  std::string name = t.emit("BatchNormalization",
                            {t.get(x, Layout::channels_first), statistic(gamma, "gamma"), statistic(beta, "beta"),
                             statistic(mean, "running_mean"), statistic(var, "running_var")},
                            {{"epsilon", static_cast<float>(p.epsilon)}});
  if (residual) name = t.emit("Add", {name, t.get(residual, Layout::channels_first)});
  t.put(y, t.activated(name, p.activation), Layout::channels_first);
}

void translate_layer_norm(Trace& t, double epsilon, ConstView x, ConstView gamma, ConstView beta, View y, View, View) {
  t.put(y,
        t.emit("LayerNormalization",
               {t.get(x, Layout::same), t.constant(t.name_of(gamma, "gamma"), {gamma.count()}, floats(gamma)),
                t.constant(t.name_of(beta, "beta"), {beta.count()}, floats(beta))},
               {{"axis", std::int64_t{-1}}, {"epsilon", static_cast<float>(epsilon)}}),
        Layout::same);
}

void translate_arithmetic(Trace& t, Arithmetic operation, ConstView a, ConstView b, Gradient y) {
  const Layout layout = t.layout_of(t.holds(a) ? a : b);
  const auto operand = [&](const ConstView& v) {
    if (t.holds(v)) {
      if (v.count() != y.view.count()) Trace::fail("arithmetic that spreads something computed from the images");
      return t.get(v, layout);
    }
    if (v.count() == 1) return t.constant(*v.as<float>());
    if (v.count() == y.view.dims.last()) return t.channels("row", floats(v), layout == Layout::channels_first);
    Trace::fail("arithmetic with a constant of an image's size");
  };
  static constexpr const char* ops[] = {"Add", "Sub", "Mul", "Div"};
  const std::string left = operand(a), right = operand(b);
  t.put(y, t.emit(ops[static_cast<int>(operation)], {left, right}), layout);
}

void translate_scale(Trace& t, double alpha, ConstView factor, ConstView x, Gradient y) {
  if (t.holds(factor) || x.count() != y.view.count()) Trace::fail("scaling by something computed from the images");
  const double by = factor ? alpha * static_cast<double>(*factor.as<float>()) : alpha;
  const Layout layout = t.layout_of(x);
  t.put(y, t.emit("Mul", {t.get(x, layout), t.constant(static_cast<float>(by))}), layout);
}

void translate_convert(Trace& t, ConstView x, Gradient y) {
  const Layout layout = t.layout_of(x);
  t.put(y, t.get(x, layout), layout);
}

void translate_activation(Trace& t, Activation f, ConstView x, View y) {
  const Layout layout = t.layout_of(x);
  t.put(y, t.activated(t.get(x, layout), f), layout);
}

void translate_permute(Trace& t, std::array<int, 4> axes, ConstView x, Gradient y) {
  if (axes == std::array{0, 3, 1, 2}) return t.put(y, t.get(x, Layout::channels_first), Layout::same);
  t.put(y, t.emit("Transpose", {t.get(x, Layout::same)}, {{"perm", Extents(axes.begin(), axes.end())}}), Layout::same);
}

void translate_copy_columns(Trace& t, std::int64_t columns, ConstView x, std::int64_t from, Gradient y, std::int64_t to) {
  if (from != 0 || columns != x.dims.last() || y.accumulate) Trace::fail("a part of the channels");
  const bool maps = x.dims.rank == 4;
  const Layout layout = maps ? Layout::channels_first : Layout::same;
  auto& parts = t.parts[y.view.data];
  parts[to] = t.get(x, layout);
  if (to + columns < y.view.dims.last()) return;  // the engine writes them from left to right
  std::vector<std::string> inputs;
  for (const auto& [at, name] : parts) inputs.push_back(name);
  t.parts.erase(y.view.data);
  t.put(y, t.emit("Concat", std::move(inputs), {{"axis", std::int64_t{maps ? 1 : y.view.dims.rank - 1}}}), layout);
}

// ---- the table ---------------------------------------------------------------------------------------------------------

bool depends(const Trace& t, const ConstView& v) { return t.holds(v); }
bool depends(const Trace& t, const View& v) { return t.holds(v); }
bool depends(const Trace& t, const Conv2dEpilogue& e) { return t.holds(e.residual) || t.holds(e.scale) || t.holds(e.shift); }
bool depends(const Trace& t, const Gradient& g) { return g.accumulate && t.holds(g.view); }
template <class Argument>
bool depends(const Trace&, const Argument&) {
  return false;
}

// Outputs of a call that does not depend on the images are constants, whatever lay at their address before.
void settle(Trace& t, const View& v) { t.forget(v); }
void settle(Trace& t, const Gradient& g) { t.forget(g.view); }
template <class Argument>
void settle(Trace&, const Argument&) {}

// Computes as the cpu does, and translates where the images are involved.
template <auto slot, auto translate, class... Arguments>
void watched(Stream& stream, Arguments... arguments) {
  (cpu().*slot)(stream, arguments...);
  Trace* const trace = Trace::of(stream);
  if (!trace) return;
  const auto reads = [&](const auto& argument) {
    using Argument = std::remove_cvref_t<decltype(argument)>;
    return !std::is_same_v<Argument, View> && depends(*trace, argument);
  };
  if (!(reads(arguments) || ...)) {
    (settle(*trace, arguments), ...);
    return;
  }
  if constexpr (std::is_null_pointer_v<decltype(translate)>)
    Trace::fail("the slot " + std::string(std::remove_cvref_t<decltype(cpu().*slot)>::name));
  else
    translate(*trace, arguments...);
}

template <auto slot, auto translate = nullptr, class Derived, class... Arguments>
auto watch(const SlotFunction<Derived, void(Stream&, Arguments...)>& real) {
  return real ? &watched<slot, translate, Arguments...> : nullptr;
}

Backend watched_table() {
  Backend table{
      .name = "cpu",
      .runtime = cpu().runtime,
#define TESSERA_SLOT(name, ...) .name = watch<&Backend::name>(cpu().name),
#include "kernels/slots.def"
  };
#define TRANSLATE(slot, by) table.slot = watch<&Backend::slot, by>(cpu().slot)
  TRANSLATE(conv2d_forward, translate_conv2d);
  TRANSLATE(max_pool_forward, translate_max_pool);
  TRANSLATE(average_pool_forward, translate_average_pool);
  TRANSLATE(global_average_pool_forward, translate_global_average_pool);
  TRANSLATE(matmul, translate_matmul);
  TRANSLATE(batch_norm_inference, translate_batch_norm);
  TRANSLATE(layer_norm_forward, translate_layer_norm);
  TRANSLATE(arithmetic, translate_arithmetic);
  TRANSLATE(scale, translate_scale);
  TRANSLATE(convert, translate_convert);
  TRANSLATE(activation_forward, translate_activation);
  TRANSLATE(permute, translate_permute);
  TRANSLATE(copy_columns, translate_copy_columns);
#undef TRANSLATE
  return table;
}

}  // namespace

std::shared_ptr<Device> open_onnx_device() {
  static const Backend table = watched_table();
  return Device::open({.device = "cpu", .options = {.threads = 1}}, table);
}

OnnxModel onnx_model(Network& network, const ParameterStore& parameters, const Normalization* preprocessing) {
  const std::shared_ptr<Device> device = parameters.device();
  const auto trace = std::make_shared<Trace>(parameters);
  const Shape image = network.input();
  const Tensor x = Tensor::zeros(device, {1, image[0], image[1], image[2]}, DType::f32);

  OnnxModel& model = trace->model;
  model.output = {.name = "logits", .dims = {-1, 0}};
  if (preprocessing) {
    model.input = {.name = "images", .type = OnnxType::uint8, .dims = {-1, image[0], image[1], image[2]}};
    std::vector<float> factor, offset;
    for (std::size_t i = 0; i < static_cast<std::size_t>(image[2]); ++i) {
      factor.push_back(1.0f / (255.0f * preprocessing->std[i]));
      offset.push_back(-preprocessing->mean[i] / preprocessing->std[i]);
    }
    const std::string pixels = trace->emit("Transpose", {trace->emit("Cast", {"images"}, {{"to", std::int64_t{1}}})},
                                           {{"perm", Extents{0, 3, 1, 2}}});
    const std::string scaled = trace->emit("Mul", {pixels, trace->channels("preprocessing.factor", factor, true)});
    trace->put(x, trace->emit("Add", {scaled, trace->channels("preprocessing.offset", offset, true)}),
               Layout::channels_first);
  } else {
    model.input = {.name = "images", .dims = {-1, image[2], image[0], image[1]}};
    trace->put(x, "images", Layout::channels_first);
  }

  // While the trace lasts an address stands for one tensor.
  const Device::PoolScope scope(*device, device->new_pool(false));
  device->stream().library = trace;
  struct Untrace {
    Device& device;
    ~Untrace() { device.stream().library.reset(); }
  } const untrace{*device};
  const Context context{.observer = trace.get()};
  const Tensor logits = network.forward(context, Variable(x)).value();
  if (!trace->holds(logits)) throw UsageError("this network's outputs do not depend on its images");
  model.output.dims[1] = logits.shape().last();
  model.nodes.push_back({"Identity", {trace->get(logits, Layout::same)}, "logits", {}, "logits"});
  return std::move(model);
}

}  // namespace tessera
