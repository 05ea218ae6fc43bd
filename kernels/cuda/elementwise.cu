// Sums, conversions, scalings and activation functions of single elements. T: float or bf16.
//
//                                                        bytes per element
//                                                        float    bf16    FLOP
//   add                  y = a + b                          12       6       1
//   convert              y (+)= x, rounded to y's type       6 (float32 ↔ bf16)
//   scale                y (+)= alpha · factor · x           8       4       1
//   activation_forward   y = relu(x) or sigmoid(x)           8       4       1, sigmoid an exponential and a division
//   activation_backward  dx (+)= dy · f'(x), from y         12       6       1 or 3
// One element of y more where it is added to.
//
// Any shape: operands are dense and equally shaped, so all are walked as vectors. Bound by memory.
// Threads: each_element (elements.h), 16 bytes of T per thread and turn where all operands are aligned; convert between
// float32 and bf16 takes four elements (eight spilled registers on one architecture).
// Outputs may be inputs (add, activation_backward): an element is read by the thread that writes it, before it does.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

template <class T>
struct Add {
  const T *a, *b;
  T* y;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    Pack<width> sum = load<width>(a + i);
    const Pack<width> other = load<width>(b + i);
    for (int j = 0; j < width; ++j) sum.v[j] += other.v[j];
    store(y + i, sum);
  }
};

template <class From, class To>
struct Convert {
  const From* x;
  To* y;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    store(y + i, load<width>(x + i), accumulate);
  }
};

template <class T>
struct Scale {
  float alpha;
  const float* factor;  // ?
  const T* x;
  T* y;
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

template <Activation activation, class T>
struct Forward {
  const T* x;
  T* y;

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

template <Activation activation, class T>
struct Backward {
  const T* y;
  const T* dy;
  T* dx;
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

// Runs Body<activation, T>{members…} for the activation that is only known at run time.
template <template <Activation, class> class Body, class T, class... Members>
void activate(const LaunchOn& on, Activation activation, std::int64_t count, bool packs, Members... members) {
  constexpr int width = pack_width<T>;
  switch (activation) {
    case Activation::none: return each_element<width>(on, count, packs, Body<Activation::none, T>{members...});
    case Activation::relu: return each_element<width>(on, count, packs, Body<Activation::relu, T>{members...});
    case Activation::sigmoid: return each_element<width>(on, count, packs, Body<Activation::sigmoid, T>{members...});
  }
}

}  // namespace

void add(Stream& stream, ConstView a, ConstView b, View y) {
  with_activation_type(stream, y.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = pack_width<T>;
    const Add<T> body{a.as<T>(), b.as<T>(), y.as<T>()};
    each_element<width>(on, y.count(), aligned_for_packs<width>(body.a, body.b, body.y), body);
  });
}

void convert(Stream& stream, ConstView x, Gradient y) {
  with_activation_type(stream, x.dtype, [&]<class From>(const LaunchOn& outer, From) {
    with_activation_type(outer, y.view.dtype, [&]<class To>(const LaunchOn& on, To) {
      constexpr int width = pack_width<From> < pack_width<To> ? pack_width<From> : pack_width<To>;
      const Convert<From, To> body{x.as<From>(), y.view.as<To>(), y.accumulate};
      each_element<width>(on, x.count(), aligned_for_packs<width>(body.x, body.y), body);
    });
  });
}

void scale(Stream& stream, double alpha, ConstView factor, ConstView x, Gradient y) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = pack_width<T>;
    const Scale<T> body{static_cast<float>(alpha), factor.as<float>(), x.as<T>(), y.view.as<T>(), y.accumulate};
    each_element<width>(on, x.count(), aligned_for_packs<width>(body.x, body.y), body);
  });
}

void activation_forward(Stream& stream, Activation activation, ConstView x, View y) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    activate<Forward, T>(on, activation, x.count(), aligned_for_packs<pack_width<T>>(from, to), from, to);
  });
}

void activation_backward(Stream& stream, Activation activation, ConstView y, ConstView dy, Gradient dx) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    const T *output = y.as<T>(), *gradient = dy.as<T>();
    T* to = dx.view.as<T>();
    activate<Backward, T>(on, activation, dy.count(), aligned_for_packs<pack_width<T>>(output, gradient, to), output,
                          gradient, to, dx.accumulate);
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
