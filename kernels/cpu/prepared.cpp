// Convolutions and matrix products prepared for weights that do not change: packed or transformed once.
//
// Without the weights' transforms in the bill, Winograd pays from a few tiles on; what counts instead is that the weights are
// read, from memory where there are many: 9 floats for each pair of channels in direct convolution, 16 in F(2×2,3×3), 36 in
// F(4×4,3×3). For one image ResNet-18's last stage (512 channels, 4×4 maps) is direct for that reason.
#include "kernels/prepared.h"

#include <algorithm>
#include <optional>

#include "kernels/backends.h"
#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/conv2d_winograd.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/types.h"
#include "kernels/prepared_sizes.h"

namespace tessera::kernels::cpu {
namespace {

// Of so many rows of products (pixels, tiles, rows of a) the packing is below two percent, and not worth the memory.
constexpr std::int64_t many_rows = 512;

// What reading a float of the weights costs, in multiply-adds.
constexpr double reading = 10;

// Direct (0), F(2×2) (2) or F(4×4) (4), from the shape alone.
int way_for(const Stream& stream, const Conv2dShape& s) {
  if (stream.options.direct_convolution || !winograd_possible(s)) return 0;
  const auto cost = [&](std::int64_t rows, double points, bool transforms) {
    const double each = transforms ? 1 + 10.0 / static_cast<double>(s.c) + 10.0 / static_cast<double>(s.k) : 1;
    return points * std::max(static_cast<double>(rows) * each, reading);
  };
  const double direct = cost(s.n * s.p * s.q, 9, false);
  const double m2 = cost(s.n * ceil_div(s.p, 2) * ceil_div(s.q, 2), 16, true);
  const double m4 = cost(s.n * ceil_div(s.p, 4) * ceil_div(s.q, 4), 36, true);
  return direct <= std::min(m2, m4) ? 0 : m2 <= m4 ? 2 : 4;
}

// make(floats) fills the memory when the weights are met in this form for the first time.
template <class Make>
std::shared_ptr<const float> keep(Stream& stream, KeptWeights& kept, const void* weights, int form, std::int64_t floats,
                                  const Make& make) {
  std::shared_ptr<const float>& place = kept[{weights, form}];
  if (!place) {
    const Runtime& runtime = stream.backend.runtime;
    const std::shared_ptr<float> memory(
        static_cast<float*>(runtime.allocate(stream.device, static_cast<std::size_t>(floats) * sizeof(float))),
        [&runtime, device = stream.device](float* p) { runtime.release(device, p); });
    make(memory.get());
    place = memory;
  }
  return place;
}

constexpr std::int64_t most_taps = 64;  // along a side, that a form can tell apart

// In which form direct convolution keeps filters: it packs the taps that this map's extents let them use.
std::optional<int> direct_form(const Conv2dShape& s) {
  const Reach reach = reach_of(s);
  if (reach.whole) return 0;
  if (std::max(s.r, s.s) >= most_taps) return {};
  const std::int64_t taps = (reach.row * most_taps + reach.rows) * most_taps + reach.column;
  return static_cast<int>(8 + taps * most_taps + reach.columns);
}

// How filters are kept for a shape.
struct Form {
  int m, number;  // way_for(), and what tells it from others
  std::int64_t floats;
};

template <class E>
std::optional<Form> form_for(const Stream& stream, const Conv2dShape& s) {
  const int m = way_for(stream, s);
  const std::int64_t rows = m == 0 ? s.n * s.p * s.q : s.n * ceil_div(s.p, m) * ceil_div(s.q, m);
  if (s.groups > 1 || rows * s.k == 0 || rows > many_rows) return {};
  if (m != 0) return Form{m, m, winograd_kept_floats<E>(stream, s, m)};
  const std::optional<int> number = direct_form(s);
  return number ? std::optional(Form{0, *number, direct_panel_floats(stream, s)}) : std::nullopt;
}

template <class E>
PreparedCall prepared_conv2d(Stream& stream, KeptWeights& kept, const Conv2dShape& s, ConstView x, ConstView w,
                             const Conv2dEpilogue& epilogue, View y) {
  const std::optional<Form> form = form_for<E>(stream, s);
  if (!form) return {};
  const int m = form->m;
  const auto call = [&](auto run, const auto& make) -> PreparedCall {
    return [run, s, m, weights = keep(stream, kept, w.data, form->number, form->floats, make), in = x.as<E>(),
            e = typed<E>(epilogue), out = y.as<E>()](Stream& on) { run(on, s, m, in, weights.get(), e, out); };
  };
  if (m != 0) return call(winograd_forward_kept<E>, [&](float* u) { winograd_keep(stream, s, m, w.as<E>(), u); });
  const auto direct = [](Stream& on, const Conv2dShape& shape, int, const E* in, const float* panels,
                         const isa::Epilogue<E>& e, E* out) { direct_forward_packed(on, shape, in, panels, e, out); };
  return call(direct, [&](float* panels) { direct_pack(stream, s, w.as<E>(), panels); });
}

PreparedCall prepare_conv2d(Stream& stream, KeptWeights& kept, const Conv2dShape& shape, ConstView x, ConstView w,
                            const Conv2dEpilogue& epilogue, View y) {
  PreparedCall call;
  with_type(stream, "conv2d_forward", {x, w, epilogue.residual, y},
            [&](auto zero) { call = prepared_conv2d<decltype(zero)>(stream, kept, shape, x, w, epilogue, y); });
  return call;
}

bool is_kept(const MatmulParams& params, const ConstView& a, const ConstView& b) {
  return !params.transpose_a && a.dims[0] > 0 && a.dims[0] <= many_rows && b.count() > 0;
}

PreparedCall prepare_matmul(Stream& stream, KeptWeights& kept, const MatmulParams& params, ConstView a, ConstView b,
                            ConstView bias, Gradient c) {
  if (!c || !is_kept(params, a, b)) return {};
  require_float(stream, "matmul", {a, b, c.view});
  require_float32(stream, "matmul", {bias});
  const auto packed = keep(stream, kept, b.data, params.transpose_b, matmul_packed_floats(stream, params, b),
                           [&](float* to) { matmul_pack(stream, params, b, to); });
  return [=](Stream& on) {
    const Scratch scratch(on, matmul_floats(on, params, a, b, c.view));
    matmul_within(on, scratch, params, a, b, bias, c, packed.get());
  };
}

// ---- eight bits ----------------------------------------------------------------------------------------------------------

PreparedCall prepare_int8(Stream& stream, KeptWeights& kept, const Int8Product& product, const Conv2dShape& s, ConstView x,
                          ConstView w, const Conv2dEpilogue& epilogue, View y) {
  const std::optional<int> form = direct_form(s);
  if (!int8_possible(s) || !form || static_cast<std::int64_t>(product.weight_scales.size()) != s.k)
    throw MissingKernel("int8 product", backend_name(stream), "these weights in eight bits");
  const auto weights = keep(stream, kept, w.data, -1 - *form, (int8_kept_bytes(stream, s) + 3) / 4, [&](float* to) {
    int8_keep(stream, product, s, w.as<float>(), reinterpret_cast<std::byte*>(to));
  });
  // The scales of sum, input and batch norm are one.
  std::vector<float> scales(product.weight_scales);
  for (std::size_t k = 0; k < scales.size(); ++k)
    scales[k] *= product.input_scale * (epilogue.scale ? epilogue.scale.as<float>()[k] : 1.0f);
  isa::Epilogue<float> e = typed<float>(epilogue);
  return [weights, e, s, scales = std::move(scales), input = Int8Product{{}, product.input_scale, product.zero_point},
          in = x.as<float>(), out = y.as<float>()](Stream& on) {
    isa::Epilogue<float> whole = e;
    whole.scale = scales.data();
    int8_forward_kept(on, input, s, in, reinterpret_cast<const std::byte*>(weights.get()), whole, out);
  };
}

PreparedCall prepare_conv2d_int8(Stream& stream, KeptWeights& kept, const Int8Product& product, const Conv2dShape& shape,
                                 ConstView x, ConstView w, const Conv2dEpilogue& epilogue, View y) {
  require_float32(stream, "int8 convolution", {x, w, epilogue.residual, y});
  return prepare_int8(stream, kept, product, shape, x, w, epilogue, y);
}

PreparedCall prepare_matmul_int8(Stream& stream, KeptWeights& kept, const Int8Product& product, const MatmulParams& params,
                                 ConstView a, ConstView b, ConstView bias, Gradient c) {
  require_float32(stream, "int8 matmul", {a, b, bias, c.view});
  if (params.transpose_a || !params.transpose_b || c.accumulate)
    throw MissingKernel("int8 matmul", backend_name(stream), "other than inputs times transposed weights");
  const Conv2dShape s = dense_as_convolution(a.dims[0], a.dims[1], b.dims[0]);
  return prepare_int8(stream, kept, product, s, a, b, {.shift = bias, .activation = params.activation}, c.view);
}

// ---- sizes ---------------------------------------------------------------------------------------------------------------

void size_conv2d(const Stream& stream, PreparedSizes& sizes, const Conv2dShape& s, ConstView w) {
  const std::optional<Form> form = w.dtype == DType::bf16 ? form_for<bf16>(stream, s) : form_for<float>(stream, s);
  if (form) sizes[{w.data, form->number}] = static_cast<std::size_t>(form->floats) * sizeof(float);
}

void size_matmul(const Stream& stream, PreparedSizes& sizes, const MatmulParams& params, ConstView a, ConstView b) {
  if (is_kept(params, a, b))
    sizes[{b.data, params.transpose_b}] = static_cast<std::size_t>(matmul_packed_floats(stream, params, b)) * sizeof(float);
}

// This backend, or a table over it whose products are its own.
bool prepares(const Backend& backend) {
  const Backend& own = cpu_backend();
  return &backend == &own ||
         (backend.overlays == &own && backend.conv2d_forward == own.conv2d_forward && backend.matmul == own.matmul);
}

}  // namespace
}  // namespace tessera::kernels::cpu

namespace tessera::kernels {

bool int8_possible(const Conv2dShape& s) {
  return s.groups == 1 && std::max(s.r, s.s) < cpu::most_taps && s.r * (s.s * s.c + 3) <= cpu::isa::int8_reduction;
}

const Preparation* preparation_of(const Backend& backend) {
  static constexpr Preparation cpu_preparation{.conv2d_forward = cpu::prepare_conv2d,
                                               .matmul = cpu::prepare_matmul,
                                               .conv2d_forward_int8 = cpu::prepare_conv2d_int8,
                                               .matmul_int8 = cpu::prepare_matmul_int8};
  return cpu::prepares(backend) ? &cpu_preparation : nullptr;
}

const PreparationSizes* preparation_sizes_of(const Backend& backend) {
  static constexpr PreparationSizes sizes{.conv2d_forward = cpu::size_conv2d, .matmul = cpu::size_matmul};
  return cpu::prepares(backend) ? &sizes : nullptr;
}

}  // namespace tessera::kernels
