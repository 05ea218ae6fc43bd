// Sums, scalings and activation functions of single elements.
//
//   add                  y = a + b                          12 bytes, 1 FLOP per element
//   scale                y (+)= alpha · factor · x           8 bytes (12 accumulating)
//   activation_forward   y = relu(x) or sigmoid(x)           8 bytes
//   activation_backward  dx (+)= dy · f'(x), from y         12 bytes (16 accumulating)
//
// Any shape: operands are dense and equally shaped, so all are walked as vectors. Bound by memory.
// Threads: each_element (elements.h), four elements per thread and turn where all operands are aligned.
// Outputs may be inputs (add, activation_backward): an element is read by the thread that writes it, before it does.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

struct Add {
  const float *a, *b;
  float* y;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    Pack<width> sum = load<width>(a + i);
    const Pack<width> other = load<width>(b + i);
    for (int j = 0; j < width; ++j) sum.v[j] += other.v[j];
    store(y + i, sum);
  }
};

struct Scale {
  float alpha;
  const float* factor;  // ?
  const float* x;
  float* y;
  bool accumulate;

  __device__ bool prepare() {
    if (factor) alpha *= *factor;
    return true;
  }
  template <int width>
  __device__ void operator()(std::int64_t i) const {
    Pack<width> result = load<width>(x + i);
    for (int j = 0; j < width; ++j) result.v[j] *= alpha;
    store(y + i, result, accumulate);
  }
};

template <Activation activation>
struct Forward {
  const float* x;
  float* y;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    Pack<width> value = load<width>(x + i);
    for (int j = 0; j < width; ++j) {
      float& v = value.v[j];
      if constexpr (activation == Activation::relu) v = v < 0.0f ? 0.0f : v;  // not fmaxf, which would swallow a NaN
      if constexpr (activation == Activation::sigmoid) v = 1.0f / (1.0f + expf(-v));
    }
    store(y + i, value);
  }
};

template <Activation activation>
struct Backward {
  const float* y;
  const float* dy;
  float* dx;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Pack<width> output = load<width>(y + i);
    Pack<width> gradient = load<width>(dy + i);
    for (int j = 0; j < width; ++j) {
      float& g = gradient.v[j];
      const float v = output.v[j];
      if constexpr (activation == Activation::relu) g = v > 0.0f ? g : 0.0f;
      if constexpr (activation == Activation::sigmoid) g *= v * (1.0f - v);
    }
    store(dx + i, gradient, accumulate);
  }
};

// Calls use(body<activation>) for the activation that is only known at run time.
template <template <Activation> class Body, class... Members>
void activate(LaunchOn on, Activation activation, std::int64_t count, bool packs, Members... members) {
  switch (activation) {
    case Activation::none: return each_element(on, count, packs, Body<Activation::none>{members...});
    case Activation::relu: return each_element(on, count, packs, Body<Activation::relu>{members...});
    case Activation::sigmoid: return each_element(on, count, packs, Body<Activation::sigmoid>{members...});
  }
}

}  // namespace

void add(Stream& stream, ConstView a, ConstView b, View y) {
  require_float32(stream, y);
  each_element(stream, y.count(), aligned_for_packs(a.as<float>(), b.as<float>(), y.as<float>()),
               Add{a.as<float>(), b.as<float>(), y.as<float>()});
}

void scale(Stream& stream, double alpha, ConstView factor, ConstView x, Gradient y) {
  require_float32(stream, x);
  float* out = y.view.as<float>();
  each_element(stream, x.count(), aligned_for_packs(x.as<float>(), out),
               Scale{static_cast<float>(alpha), factor.as<float>(), x.as<float>(), out, y.accumulate});
}

void activation_forward(Stream& stream, Activation activation, ConstView x, View y) {
  require_float32(stream, x);
  activate<Forward>(stream, activation, x.count(), aligned_for_packs(x.as<float>(), y.as<float>()), x.as<float>(),
                    y.as<float>());
}

void activation_backward(Stream& stream, Activation activation, ConstView y, ConstView dy, Gradient dx) {
  require_float32(stream, dy);
  float* out = dx.view.as<float>();
  activate<Backward>(stream, activation, dy.count(), aligned_for_packs(y.as<float>(), dy.as<float>(), out), y.as<float>(),
                     dy.as<float>(), out, dx.accumulate);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
