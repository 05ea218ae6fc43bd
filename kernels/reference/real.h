// What all reference kernels share: the choice of element type, writing a gradient.
#pragma once

#include <cmath>
#include <type_traits>

#include "kernels/errors.h"
#include "kernels/view.h"

namespace tessera::kernels::reference {

// Calls body(T{}) with T the element type `type`: float or double.
template <class Body>
void with_real(const char* op, DType type, Body&& body) {
  switch (type) {
    case DType::f32: return body(float{});
    case DType::f64: return body(double{});
    default: throw MissingKernel(op, "reference", name_of(type));
  }
}

// bf16 too: for the slots that read or write it in every run.
template <class Body>
void with_any_real(const char* op, DType type, Body&& body) {
  if (type == DType::bf16) return body(bf16{});
  with_real(op, type, body);
}

inline double as_double(bf16 x) { return static_cast<double>(to_float(x)); }
inline double as_double(double x) { return x; }

template <class T>
T rounded(double x) {
  if constexpr (std::is_same_v<T, bf16>)
    return to_bf16(static_cast<float>(x));
  else
    return static_cast<T>(x);
}

// to (+)= value
template <class T>
void write(T& to, double value, bool accumulate) {
  to = static_cast<T>(accumulate ? static_cast<double>(to) + value : value);
}

}  // namespace tessera::kernels::reference
