// Plain views: what a kernel sees of a tensor. A pointer, an element type and up to four extents.
//
// Every view is dense and row-major: the last extent is contiguous. Images are N,H,W,C; filters are K,R,S,C
// (output channels, filter rows, filter columns, input channels); matrices are rows,columns.
// A view owns nothing. A view whose pointer is null is *empty* and means "this operand is not there".
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "kernels/bf16.h"

namespace tessera::kernels {

enum class DType : std::uint8_t { f32, f64, bf16, i32, i64, u8 };

constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::f64:
    case DType::i64: return 8;
    case DType::f32:
    case DType::i32: return 4;
    case DType::bf16: return 2;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr const char* name_of(DType type) {
  switch (type) {
    case DType::f32: return "float32";
    case DType::f64: return "float64";
    case DType::bf16: return "bfloat16";
    case DType::i32: return "int32";
    case DType::i64: return "int64";
    case DType::u8: return "uint8";
  }
  return "?";
}

template <class T>
inline constexpr DType dtype_of = DType::u8;
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<double> = DType::f64;
template <>
inline constexpr DType dtype_of<bf16> = DType::bf16;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::i32;
template <>
inline constexpr DType dtype_of<std::int64_t> = DType::i64;

// Up to four extents. Rank 0 is a scalar (one element).
struct Dims {
  static constexpr int max_rank = 4;

  constexpr Dims() = default;
  constexpr Dims(std::initializer_list<std::int64_t> extents) {
    for (std::int64_t e : extents)
      if (rank < max_rank) extent[rank++] = e;
  }

  constexpr std::int64_t operator[](int axis) const { return extent[axis]; }
  constexpr std::int64_t& operator[](int axis) { return extent[axis]; }
  constexpr std::int64_t count() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= extent[i];
    return n;
  }
  constexpr std::int64_t last() const { return rank == 0 ? 1 : extent[rank - 1]; }
  constexpr bool operator==(const Dims&) const = default;

  int rank = 0;
  std::int64_t extent[max_rank] = {};
};

struct View {
  void* data = nullptr;
  DType dtype = DType::f32;
  Dims dims;

  explicit operator bool() const { return data != nullptr; }
  std::int64_t count() const { return dims.count(); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

struct ConstView {
  const void* data = nullptr;
  DType dtype = DType::f32;
  Dims dims;

  ConstView() = default;
  ConstView(const void* d, DType t, Dims n) : data(d), dtype(t), dims(n) {}
  ConstView(const View& v) : data(v.data), dtype(v.dtype), dims(v.dims) {}

  explicit operator bool() const { return data != nullptr; }
  std::int64_t count() const { return dims.count(); }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
};

// Where a kernel writes a gradient. With `accumulate` it adds to what is there, so that gradients from several users of
// one tensor join without a pass of their own; without, it overwrites (the old contents may be garbage).
// An empty gradient is not wanted and must not be computed.
struct Gradient {
  View view;
  bool accumulate = false;

  explicit operator bool() const { return static_cast<bool>(view); }
};

}  // namespace tessera::kernels
