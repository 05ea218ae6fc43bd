// Convolution in groups, depthwise above all: all three passes.
//
// With C' = C/groups channels and K' = K/groups filters a group, y is a sum of C' depthwise convolutions over K channels: in
// the i-th, channel k reads channel (k / K')·C' + i of x and tap i of its filter. A depthwise layer (C' = K' = 1) is one of
// them, on x as it lies; otherwise the channels are gathered first, an image at a time. Filters are turned to [R,S,K], so
// that all inner loops run over channels (isa/depthwise_loops.h). bf16 is widened an image at a time, rounded once.
//
// Threads: images; for dw, chunks of images whose number depends on the shape alone, each with sums of its own, joined in
// order: the same bits for any number of threads. FLOPs 2·N·P·Q·K·R·S·C'.
#include "kernels/cpu/conv2d.h"
#include "kernels/cpu/launchers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/window_runs.h"

namespace tessera::kernels::cpu {
namespace {

constexpr std::int64_t most_partials = 8;

// A grouped convolution in elements of its arrays.
struct Grouped {
  const Conv2dShape& s;
  std::int64_t inner = s.c / s.groups, outer = s.k / s.groups;  // channels and filters a group
  std::int64_t pixels = s.h * s.w, taps = s.r * s.s;
  std::int64_t in = pixels * s.c, spread = pixels * s.k, out = s.p * s.q * s.k;
  bool plain = inner == 1 && outer == 1;  // x serves as it lies

  // The windows as of a pooling over K channels.
  Pool2dShape windows() const {
    return {.n = s.n,
            .h = s.h,
            .w = s.w,
            .c = s.k,
            .r = s.r,
            .s = s.s,
            .p = s.p,
            .q = s.q,
            .stride = s.stride,
            .pad_top = s.pad_top,
            .pad_left = s.pad_left};
  }
  std::int64_t channel(std::int64_t k, std::int64_t i) const { return k / outer * inner + i; }

  // to[pixel][k] = x[pixel][channel(k, i)]
  void gather(const float* x, std::int64_t i, float* to) const {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel, x += s.c)
      for (std::int64_t group = 0; group < s.groups; ++group, to += outer) std::fill_n(to, outer, x[group * inner + i]);
  }
  // dx[pixel][channel(k, i)] += from[pixel][k]
  void scatter(const float* from, std::int64_t i, float* dx) const {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel, dx += s.c)
      for (std::int64_t group = 0; group < s.groups; ++group)
        for (std::int64_t j = 0; j < outer; ++j) dx[group * inner + i] += *from++;
  }
  // to[i][tap][k] = w[k][tap][i]
  template <class E>
  void turn(const E* w, float* to) const {
    for (std::int64_t k = 0; k < s.k; ++k)
      for (std::int64_t tap = 0; tap < taps; ++tap)
        for (std::int64_t i = 0; i < inner; ++i) to[(i * taps + tap) * s.k + k] = as_float(w[(k * taps + tap) * inner + i]);
  }
  const float* turned(ConstView w, float* to) const {
    if (w.dtype == DType::bf16)
      turn(w.as<bf16>(), to);
    else
      turn(w.as<float>(), to);
    return to;
  }
  // fn(row of windows, offset of its first cell in an image of K channels, offset of its first output)
  template <class Function>
  void for_rows(const Function& fn) const {
    const Pool2dShape d = windows();
    for (std::int64_t p = 0; p < s.p; ++p)
      for_runs(d, p, [&](const WindowRow& row, std::int64_t offset, std::int64_t q) {
        fn(row, top_row(d, p) * s.w * s.k + offset, (p * s.q + q) * s.k);
      });
  }
};

// Where the i-th depthwise convolution reads x.
const float* spread_image(const Grouped& g, const float* x, std::int64_t i, float* buffer) {
  if (g.plain) return x;
  g.gather(x, i, buffer);
  return buffer;
}

}  // namespace

void grouped_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView w, const Conv2dEpilogue& epilogue,
                     View y) {
  const Grouped g{shape};
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t filters = g.taps * g.inner * shape.k, k = shape.k;
  const std::int64_t per_thread = whole_lines(g.in) + whole_lines(g.spread) + whole_lines(g.out) + 5 * whole_lines(k);
  Scratch scratch(stream, whole_lines(filters) + stream.options.threads * per_thread);
  const float* turned = g.turned(w, scratch.take(filters));
  float* buffers = scratch.take(0);
  parallel_workers_for(stream, 0, shape.n, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    Scratch own(buffers + worker * per_thread);
    float *in = own.take(g.in), *spread = own.take(g.spread), *sums = own.take(g.out), *residual = own.take(k),
          *zero = own.take(k), *scale = own.take(k), *shift = own.take(k), *sum = own.take(k);
    std::fill_n(zero, k, 0.0f);
    std::fill_n(scale, k, 1.0f);
    std::fill_n(shift, k, 0.0f);
    if (epilogue.scale) std::copy_n(epilogue.scale.as<float>(), k, scale);
    if (epilogue.shift) std::copy_n(epilogue.shift.as<float>(), k, shift);
    for (std::int64_t n = first; n < last; ++n) {
      const Gradient result{y, false};
      float* to = widened(loops, result, n * g.out, g.out, sums);
      std::fill_n(to, g.out, 0.0f);
      const float* image = widened(loops, x, n * g.in, g.in, in);
      for (std::int64_t i = 0; i < g.inner; ++i) {
        const float* from = spread_image(g, image, i, spread);
        g.for_rows([&](const WindowRow& row, std::int64_t offset, std::int64_t out) {
          loops.depthwise(row, from + offset, turned + i * g.taps * k, to + out);
        });
      }
      for (std::int64_t pixel = 0; pixel < shape.p * shape.q; ++pixel) {
        float* here = to + pixel * k;
        std::copy_n(here, k, sum);
        loops.normalise(sum, widened(loops, epilogue.residual, n * g.out + pixel * k, k, residual), k, k, zero, scale, shift,
                        epilogue.activation == Activation::relu, here);
      }
      if (epilogue.activation != Activation::none && epilogue.activation != Activation::relu)
        loops.activation_forward(epilogue.activation, to, to, g.out);
      narrow_back(loops, result, n * g.out, g.out, sums);
    }
  });
}

void grouped_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx) {
  const Grouped g{shape};
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t filters = g.taps * g.inner * shape.k;
  const std::int64_t per_thread = whole_lines(g.in) + whole_lines(g.spread) + whole_lines(g.out);
  Scratch scratch(stream, whole_lines(filters) + stream.options.threads * per_thread);
  const float* turned = g.turned(w, scratch.take(filters));
  float* buffers = scratch.take(0);
  parallel_workers_for(stream, 0, shape.n, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    Scratch own(buffers + worker * per_thread);
    float *in = own.take(g.in), *spread = own.take(g.spread), *out = own.take(g.out);
    for (std::int64_t n = first; n < last; ++n) {
      const float* gradient = widened(loops, dy, n * g.out, g.out, out);
      float* to = widened(loops, dx, n * g.in, g.in, in);
      if (!dx.accumulate) std::fill_n(to, g.in, 0.0f);
      for (std::int64_t i = 0; i < g.inner; ++i) {
        float* target = g.plain ? to : spread;
        if (!g.plain) std::fill_n(spread, g.spread, 0.0f);
        g.for_rows([&](const WindowRow& row, std::int64_t offset, std::int64_t at) {
          loops.depthwise_data(row, gradient + at, turned + i * g.taps * shape.k, target + offset);
        });
        if (!g.plain) g.scatter(spread, i, to);
      }
      narrow_back(loops, dx, n * g.in, g.in, in);
    }
  });
}

void grouped_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView dy, Gradient dw) {
  const Grouped g{shape};
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t filters = g.taps * g.inner * shape.k, chunks = std::clamp<std::int64_t>(shape.n, 1, most_partials);
  const std::int64_t per_thread = whole_lines(g.in) + whole_lines(g.spread) + whole_lines(g.out);
  Scratch scratch(stream, chunks * whole_lines(filters) + stream.options.threads * per_thread);
  float* partial = scratch.take(chunks * whole_lines(filters));
  float* buffers = scratch.take(0);
  parallel_workers_for(stream, 0, chunks, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    Scratch own(buffers + worker * per_thread);
    float *in = own.take(g.in), *spread = own.take(g.spread), *out = own.take(g.out);
    for (std::int64_t chunk = first; chunk < last; ++chunk) {
      float* sums = partial + chunk * whole_lines(filters);
      std::fill_n(sums, filters, 0.0f);
      for (std::int64_t n = shape.n * chunk / chunks; n < shape.n * (chunk + 1) / chunks; ++n) {
        const float* image = widened(loops, x, n * g.in, g.in, in);
        const float* gradient = widened(loops, dy, n * g.out, g.out, out);
        for (std::int64_t i = 0; i < g.inner; ++i) {
          const float* from = spread_image(g, image, i, spread);
          g.for_rows([&](const WindowRow& row, std::int64_t offset, std::int64_t at) {
            loops.depthwise_weights(row, from + offset, gradient + at, sums + i * g.taps * shape.k);
          });
        }
      }
    }
  });
  float* to = dw.view.as<float>();
  for (std::int64_t k = 0; k < shape.k; ++k)
    for (std::int64_t tap = 0; tap < g.taps; ++tap)
      for (std::int64_t i = 0; i < g.inner; ++i, ++to) {
        double sum = dw.accumulate ? static_cast<double>(*to) : 0.0;
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
          sum += static_cast<double>(partial[chunk * whole_lines(filters) + (i * g.taps + tap) * shape.k + k]);
        *to = static_cast<float>(sum);
      }
}

}  // namespace tessera::kernels::cpu
