// Arithmetic, conversions, scalings and activation functions of single elements. T: float or bf16.
//
//                                                        bytes per element
//                                                        float    bf16    FLOP
//   arithmetic           y (+)= a ± b, a·b or a/b           12       6       1; a spread operand comes from cache
//   convert              y (+)= x, rounded to y's type       6 (float32 ↔ bf16)
//   scale                y (+)= alpha · factor · x           8       4       1
//   activation_forward   y = f(x)                            8       4       relu 1, sigmoid an exponential and a division
//   activation_backward  dx (+)= dy · f'(x), from x or y    12       6       relu 1, sigmoid 3
// One element of y more where it is added to.
//
// Any shape: operands are dense and equally shaped, so all are walked as vectors. Bound by memory.
// Threads: each_element (elements.h), 16 bytes of T per thread and turn where all operands are aligned; convert between
// float32 and bf16 takes four elements (eight spilled registers on one architecture).
// Outputs may be inputs (arithmetic, activation_backward): an element is read by the thread that writes it, before it does.
#include "kernels/cuda/activation.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// An operand of y's shape, or spread over y.
template <class T>
struct Operand {
  const T* whole = nullptr;
  const float* row = nullptr;  // of `period` elements
  std::int64_t period = 1;

  Operand(const ConstView& x, std::int64_t count) {
    if (x.count() == count) {
      whole = x.as<T>();
    } else {
      row = x.as<float>();
      period = x.count();
    }
  }
  template <int width>
  __device__ Pack<width> load(std::int64_t i) const {
    if (whole) return TESSERA_GPU_NAMESPACE::load<width>(whole + i);
    Pack<width> x;
    std::int64_t at = period == 1 ? 0 : i % period;
    for (int j = 0; j < width; ++j) {
      x.v[j] = row[at];
      if (++at == period) at = 0;
    }
    return x;
  }
};

template <Arithmetic operation>
__device__ float combine(float a, float b) {
  if constexpr (operation == Arithmetic::add) return a + b;
  if constexpr (operation == Arithmetic::subtract) return a - b;
  if constexpr (operation == Arithmetic::multiply) return a * b;
  if constexpr (operation == Arithmetic::divide) return a / b;
}

template <Arithmetic operation, class T>
struct Combine {
  Operand<T> a, b;
  T* y;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    Pack<width> result = a.template load<width>(i);
    const Pack<width> other = b.template load<width>(i);
    for (int j = 0; j < width; ++j) result.v[j] = combine<operation>(result.v[j], other.v[j]);
    store(y + i, result, accumulate);
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
  Operand<T> x;
  T* y;
  bool accumulate;

  __device__ bool prepare() {
    if (factor) alpha *= *factor;
    return true;
  }
  template <int width>
  __device__ void operator()(std::int64_t i) const {
    Pack<width> result = x.template load<width>(i);
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
    for (int j = 0; j < width; ++j) value.v[j] = activate<activation>(value.v[j]);
    store(y + i, value);
  }
};

template <Activation activation, class T>
struct Backward {
  const T* v;
  const T* dy;
  T* dx;
  bool accumulate;

  template <int width>
  __device__ void operator()(std::int64_t i) const {
    const Pack<width> from = load<width>(v + i);
    Pack<width> gradient = load<width>(dy + i);
    for (int j = 0; j < width; ++j) gradient.v[j] = activation_gradient<activation>(from.v[j], gradient.v[j]);
    store(dx + i, gradient, accumulate);
  }
};

}  // namespace

void arithmetic(Stream& stream, Arithmetic operation, ConstView a, ConstView b, Gradient y) {
  with_activation_type(stream, y.view.dtype, [&]<class T>(const LaunchOn& on, T) {
    const auto run = [&]<Arithmetic chosen>() {
      constexpr int width = pack_width<T>;
      const std::int64_t count = y.view.count();
      const Combine<chosen, T> body{Operand<T>(a, count), Operand<T>(b, count), y.view.as<T>(), y.accumulate};
      each_element<width>(on, count, aligned_for_packs<width>(body.a.whole, body.b.whole, body.y), body);
    };
    switch (operation) {
      case Arithmetic::add: return run.template operator()<Arithmetic::add>();
      case Arithmetic::subtract: return run.template operator()<Arithmetic::subtract>();
      case Arithmetic::multiply: return run.template operator()<Arithmetic::multiply>();
      case Arithmetic::divide: return run.template operator()<Arithmetic::divide>();
    }
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
  with_activation_type(stream, y.view.dtype, [&]<class T>(const LaunchOn& on, T) {
    constexpr int width = pack_width<T>;
    const std::int64_t count = y.view.count();
    const Scale<T> body{static_cast<float>(alpha), factor.as<float>(), Operand<T>(x, count), y.view.as<T>(), y.accumulate};
    each_element<width>(on, count, aligned_for_packs<width>(body.x.whole, body.y), body);
  });
}

void activation_forward(Stream& stream, Activation activation, ConstView x, View y) {
  with_activation_type(stream, x.dtype, [&]<class T>(const LaunchOn& on, T) {
    with_activation(activation, [&]<Activation f>() {
      const Forward<f, T> body{x.as<T>(), y.as<T>()};
      each_element<pack_width<T>>(on, x.count(), aligned_for_packs<pack_width<T>>(body.x, body.y), body);
    });
  });
}

void activation_backward(Stream& stream, Activation activation, ConstView v, ConstView dy, Gradient dx) {
  with_activation_type(stream, dy.dtype, [&]<class T>(const LaunchOn& on, T) {
    with_activation(activation, [&]<Activation f>() {
      const Backward<f, T> body{v.as<T>(), dy.as<T>(), dx.view.as<T>(), dx.accumulate};
      each_element<pack_width<T>>(on, dy.count(), aligned_for_packs<pack_width<T>>(body.v, body.dy, body.dx), body);
    });
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
