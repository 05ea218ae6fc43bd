// muon_step: momentum, and Newton–Schulz's iteration on it, of each matrix in turn; see MuonParams.
//
// Loop order: one pass for momentum and the two norms, one that writes X (the shorter side first: a tall matrix is turned on
// the way), then three products an iteration, by the kernels of matmul; the a·X of the formula is a on the diagonal of
// b·A + c·A². A last pass turns X back and moves the weights. Everything is float32, sums of squares are double.
// FLOPs for p × q, p ≤ q, and an iteration: 4·p²·q + 2·p³; the passes move 40 bytes a weight. Bound by arithmetic. Scratch: two
// X, two A. Threads: blocks of 4096 elements, and what matmul does; sums in order of the blocks.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/launchers.h"
#include "kernels/cpu/matmul.h"

namespace tessera::kernels::cpu {
namespace {

struct Sizes {
  explicit Sizes(const MuonMatrix& m)
      : rows(m.rows), columns(m.columns), p(std::min(rows, columns)), q(std::max(rows, columns)), turned(rows > columns) {}
  std::int64_t count() const { return rows * columns; }
  // Where element i of X (p × q) lies among the weights.
  std::int64_t weight(std::int64_t i) const { return turned ? i % q * columns + i / q : i; }

  std::int64_t rows, columns, p, q;
  bool turned;
};

constexpr MatmulParams plain{}, by_transpose{.transpose_b = true};

View matrix(float* data, std::int64_t rows, std::int64_t columns) { return {data, DType::f32, {rows, columns}}; }

std::int64_t product_floats(const Stream& stream, const Sizes& s) {
  const View x = matrix(nullptr, s.p, s.q), a = matrix(nullptr, s.p, s.p);
  return std::max({matmul_floats(stream, by_transpose, x, x, a), matmul_floats(stream, plain, a, a, a),
                   matmul_floats(stream, plain, a, x, x)});
}

// Two doubles for each block of elements.
std::int64_t sum_floats(const Sizes& s) { return 4 * block_count(s.count()); }

std::int64_t scratch_floats(const Stream& stream, const Sizes& s) {
  return 2 * whole_lines(s.count()) + 2 * whole_lines(s.p * s.p) + whole_lines(sum_floats(s)) + product_floats(stream, s);
}

struct Norms {
  double direction, weights;
};

// velocity = momentum·velocity + gradient; the norms of gradient + momentum·velocity and of the weights.
Norms move_velocity(const Stream& stream, const Sizes& s, float momentum, const float* g, const float* w, float* v,
                    double* sums) {
  for_blocks(stream, s.count(), [&](std::int64_t block, std::int64_t first, std::int64_t count) {
    double direction = 0, weights = 0;
    for (std::int64_t i = first; i < first + count; ++i) {
      v[i] = momentum * v[i] + g[i];
      const double u = g[i] + momentum * v[i], each = w[i];
      direction += u * u;
      weights += each * each;
    }
    sums[2 * block] = direction, sums[2 * block + 1] = weights;
  });
  Norms squares{};
  for (std::int64_t block = 0; block < block_count(s.count()); ++block)
    squares.direction += sums[2 * block], squares.weights += sums[2 * block + 1];
  return {std::sqrt(squares.direction), std::sqrt(squares.weights)};
}

void step(const Stream& stream, const MuonParams& params, float rate, const MuonMatrix& m, const float* g, float* w,
          float* v, bf16* copy, Scratch scratch) {
  const Sizes s(m);
  const float momentum = static_cast<float>(params.momentum);
  float *x = scratch.take(s.count()), *next = scratch.take(s.count());
  float *a = scratch.take(s.p * s.p), *factor = scratch.take(s.p * s.p);
  const Norms norms = move_velocity(stream, s, momentum, g, w, v, reinterpret_cast<double*>(scratch.take(sum_floats(s))));

  const float shrink = static_cast<float>(1 / (norms.direction + 1e-7));
  for_elements(stream, s.count(), grain_elements, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) {
      const std::int64_t at = s.weight(i);
      x[i] = (g[at] + momentum * v[at]) * shrink;
    }
  });
  constexpr float linear = static_cast<float>(MuonParams::b), square = static_cast<float>(MuonParams::c);
  for (int iteration = 0; iteration < params.iterations; ++iteration) {
    const View of_x = matrix(x, s.p, s.q), of_a = matrix(a, s.p, s.p), of_factor = matrix(factor, s.p, s.p);
    matmul_within(stream, scratch, by_transpose, of_x, of_x, {}, {of_a, false});
    matmul_within(stream, scratch, plain, of_a, of_a, {}, {of_factor, false});
    for_elements(stream, s.p * s.p, grain_elements, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t i = first; i < first + count; ++i) factor[i] = linear * a[i] + square * factor[i];
    });
    for (std::int64_t i = 0; i < s.p; ++i) factor[i * (s.p + 1)] += static_cast<float>(MuonParams::a);
    matmul_within(stream, scratch, plain, of_factor, of_x, {}, {matrix(next, s.p, s.q), false});
    std::swap(x, next);
  }

  const float keep = norms.weights > 0 ? static_cast<float>(std::sqrt(static_cast<double>(s.rows)) / norms.weights) : 1.0f;
  for_elements(stream, s.count(), grain_elements, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) {
      const std::int64_t at = s.weight(i);
      w[at] = w[at] * keep - rate * x[i];
      if (copy) copy[at] = to_bf16(w[at]);
    }
  });
}

}  // namespace

void muon_step(Stream& stream, const MuonParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View velocity, View copy) {
  require_float32(stream, "muon_step", {gradient, weights, velocity});
  if (guard && guard->skip) return;
  std::int64_t floats = 0;
  for (int i = 0; i < params.count; ++i) floats = std::max(floats, scratch_floats(stream, Sizes(params.matrices[i])));
  const Scratch scratch(stream, floats);
  for (int i = 0; i < params.count; ++i) {
    const MuonMatrix& m = params.matrices[i];
    step(stream, params, static_cast<float>(state->learning_rate[params.group]), m, gradient.as<float>() + m.offset,
         weights.as<float>() + m.offset, velocity.as<float>() + m.offset, copy ? copy.as<bf16>() + m.offset : nullptr,
         scratch);
  }
}

}  // namespace tessera::kernels::cpu
