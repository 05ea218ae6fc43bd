// What becomes of the sums of a matrix product:  c = f(scale·sum + shift + residual)  or  c += sum, stored as float32 or
// bf16, rounded once. Four neighbouring columns at a time.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/activation.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/packs.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {

// T is the operands' type. c is of T, or of float32 where `wide`.
template <class T>
struct GemmResult {
  void* data = nullptr;  // row-major
  int rows = 0, columns = 0;
  std::int64_t elements = 0;  // of the whole result
  bool wide = true;
  bool accumulate = false;
  const float* scale = nullptr;  // null: 1
  const float* shift = nullptr;  // null: 0
  const T* residual = nullptr;   // null: 0
  Activation activation = Activation::none;
  float* statistics = nullptr;  // null, or [slices of statistics_rows rows, 2, columns]: mean, Σ(c − mean)²
  bool fours = false;           // four neighbouring columns may be read and written at once: call align()

  void align() {
    fours =
        columns % 4 == 0 && aligned_for_packs<4>(residual) &&
        (wide ? aligned_for_packs<4>(static_cast<const float*>(data)) : aligned_for_packs<4>(static_cast<const T*>(data)));
  }

  // Four columns' constants.
  struct Columns {
    Pack<4> scale, shift;
  };
  __device__ Columns columns_from(int column) const {
    Columns c;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const bool inside = column + j < columns;
      c.scale.v[j] = scale && inside ? __ldg(scale + column + j) : 1.0f;
      c.shift.v[j] = shift && inside ? __ldg(shift + column + j) : 0.0f;
    }
    return c;
  }

  // What is added to four elements c[at …] from memory (`count` < 4 where the row ends): the residual, or c itself.
  __device__ Pack<4> addend(std::int64_t at, int count) const {
    if (accumulate && stores_floats()) return read(static_cast<const float*>(data) + at, count);
    if (accumulate) return read(static_cast<const T*>(data) + at, count);
    if (residual) return read(residual + at, count);
    return {};
  }

  // Finishes four sums and writes them. Returns what was stored.
  __device__ Pack<4> finish(std::int64_t at, int count, const Columns& constants, const Pack<4>& add, Pack<4> x) const {
#pragma unroll
    for (int j = 0; j < 4; ++j) x.v[j] = x.v[j] * constants.scale.v[j] + constants.shift.v[j] + add.v[j];
    activate(activation, x.v);
    if (stores_floats()) {
      write(static_cast<float*>(data) + at, count, x);
    } else {
      write(static_cast<T*>(data) + at, count, x);
#pragma unroll
      for (int j = 0; j < 4; ++j) x.v[j] = widened(rounded<T>(x.v[j]));
    }
    return x;
  }

 private:
  __device__ bool stores_floats() const { return std::is_same_v<T, float> || wide; }

  template <class In>
  __device__ Pack<4> read(const In* from, int count) const {
    if (fours) return load<4>(from);
    Pack<4> x;
#pragma unroll
    for (int j = 0; j < 4; ++j) x.v[j] = j < count ? widened(from[j]) : 0.0f;
    return x;
  }
  template <class Out>
  __device__ void write(Out* to, int count, const Pack<4>& x) const {
    if (fours) return store(to, x);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (j < count) to[j] = rounded<Out>(x.v[j]);
  }
};

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
