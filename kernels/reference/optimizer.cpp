// Reference optimiser steps.
#include <algorithm>
#include <vector>

#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void write_state(Stream&, const StepState& values, View state) { *state.as<StepState>() = values; }

void check_finite(Stream&, ConstView x, StepGuard* guard) {
  with_real("check_finite", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    bool finite = true;
    for (std::int64_t i = 0; i < x.count(); ++i) finite = finite && std::isfinite(x.as<T>()[i]);
    guard->skip = !finite;
    guard->consecutive = finite ? 0 : guard->consecutive + 1;
    guard->skipped += !finite;
  });
}

void sgd_step(Stream&, const SgdParams& p, const StepState* state, const StepGuard* guard, ConstView gradient, View weights,
              View velocity, View copy) {
  if (guard && guard->skip != 0) return;
  with_real("sgd_step", weights.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < weights.count(); ++i) {
      const double w = weights.as<T>()[i], g = gradient.as<T>()[i] + p.weight_decay * w;
      double direction = g;
      if (p.momentum != 0) {
        const double v = p.momentum * velocity.as<T>()[i] + g;
        write(velocity.as<T>()[i], v, false);
        direction = p.nesterov ? g + p.momentum * v : v;
      }
      write(weights.as<T>()[i], w - state->learning_rate[p.group] * direction, false);
      if (copy) copy.as<bf16>()[i] = rounded<bf16>(weights.as<T>()[i]);
    }
  });
}

void adam_step(Stream&, const AdamParams& p, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View moment1, View moment2, View copy) {
  if (guard && guard->skip != 0) return;
  with_real("adam_step", weights.dtype, [&](auto zero) {
    using T = decltype(zero);
    const double t = static_cast<double>(state->step + 1), lr = state->learning_rate[p.group];
    const double correction1 = 1 - std::pow(p.beta1, t), correction2 = 1 - std::pow(p.beta2, t);
    for (std::int64_t i = 0; i < weights.count(); ++i) {
      const double w = weights.as<T>()[i], g = gradient.as<T>()[i] + (p.decoupled ? 0 : p.weight_decay * w);
      const double m = p.beta1 * moment1.as<T>()[i] + (1 - p.beta1) * g;
      const double v = p.beta2 * moment2.as<T>()[i] + (1 - p.beta2) * g * g;
      const double change = p.form == AdamForm::keras
                                ? lr * std::sqrt(correction2) / correction1 * m / (std::sqrt(v) + p.epsilon)
                                : lr / correction1 * m / (std::sqrt(v) / std::sqrt(correction2) + p.epsilon);
      write(moment1.as<T>()[i], m, false);
      write(moment2.as<T>()[i], v, false);
      write(weights.as<T>()[i], w - (p.decoupled ? lr * p.weight_decay * w : 0) - change, false);
      if (copy) copy.as<bf16>()[i] = rounded<bf16>(weights.as<T>()[i]);
    }
  });
}

namespace {

// A matrix of doubles: element (i, j) is at [i·columns + j].
struct Matrix {
  std::size_t rows, columns;
  std::vector<double> at = std::vector<double>(rows * columns);
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c{a.rows, b.columns};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t k = 0; k < a.columns; ++k)
      for (std::size_t j = 0; j < b.columns; ++j)
        c.at[i * b.columns + j] += a.at[i * a.columns + k] * b.at[k * b.columns + j];
  return c;
}

Matrix transposed(const Matrix& a) {
  Matrix t{a.columns, a.rows};
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.columns; ++j) t.at[j * a.rows + i] = a.at[i * a.columns + j];
  return t;
}

double norm(const Matrix& a) {
  double sum = 0;
  for (const double x : a.at) sum += x * x;
  return std::sqrt(sum);
}

template <class T>
void muon_matrix(const MuonParams& p, double rate, const MuonMatrix& m, const T* g, T* w, T* v, bf16* copy) {
  Matrix u{static_cast<std::size_t>(m.rows), static_cast<std::size_t>(m.columns)}, old = u;
  for (std::size_t i = 0; i < u.at.size(); ++i) {
    write(v[i], p.momentum * v[i] + g[i], false);
    u.at[i] = g[i] + p.momentum * v[i];
    old.at[i] = w[i];
  }
  const double length = norm(u) + 1e-7, before = norm(old);
  Matrix x = m.rows > m.columns ? transposed(u) : u;
  for (double& each : x.at) each /= length;
  for (int iteration = 0; iteration < p.iterations; ++iteration) {
    const Matrix a = product(x, transposed(x)), squared = product(a, a);
    Matrix factor = a;
    for (std::size_t i = 0; i < a.at.size(); ++i) factor.at[i] = MuonParams::b * a.at[i] + MuonParams::c * squared.at[i];
    Matrix next = product(factor, x);
    for (std::size_t i = 0; i < x.at.size(); ++i) next.at[i] += MuonParams::a * x.at[i];
    x = next;
  }
  if (m.rows > m.columns) x = transposed(x);
  const double factor = before > 0 ? std::sqrt(static_cast<double>(m.rows)) / before : 1;
  for (std::size_t i = 0; i < u.at.size(); ++i) {
    write(w[i], old.at[i] * factor - rate * x.at[i], false);
    if (copy) copy[i] = rounded<bf16>(w[i]);
  }
}

}  // namespace

void muon_step(Stream&, const MuonParams& p, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View velocity, View copy) {
  if (guard && guard->skip != 0) return;
  with_real("muon_step", weights.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int i = 0; i < p.count; ++i) {
      const MuonMatrix& m = p.matrices[i];
      muon_matrix(p, state->learning_rate[p.group], m, gradient.as<T>() + m.offset, weights.as<T>() + m.offset,
                  velocity.as<T>() + m.offset, copy ? copy.as<bf16>() + m.offset : nullptr);
    }
  });
}

void lion_step(Stream&, const LionParams& p, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View moment, View copy) {
  if (guard && guard->skip != 0) return;
  with_real("lion_step", weights.dtype, [&](auto zero) {
    using T = decltype(zero);
    const double rate = state->learning_rate[p.group];
    for (std::int64_t i = 0; i < weights.count(); ++i) {
      const double w = weights.as<T>()[i], g = gradient.as<T>()[i], m = moment.as<T>()[i];
      const double mixed = p.beta1 * m + (1 - p.beta1) * g;
      const double sign = mixed > 0 ? 1 : mixed < 0 ? -1 : 0;
      write(weights.as<T>()[i], w - rate * (sign + p.weight_decay * w), false);
      write(moment.as<T>()[i], p.beta2 * m + (1 - p.beta2) * g, false);
      if (copy) copy.as<bf16>()[i] = rounded<bf16>(weights.as<T>()[i]);
    }
  });
}

void average_step(Stream&, double keep, const StepState* state, const StepGuard* guard, ConstView x, View average) {
  if (guard && guard->skip != 0) return;
  with_real("average_step", average.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < x.count(); ++i) {
      const double value = x.as<T>()[i], old = average.as<T>()[i];
      write(average.as<T>()[i], state->step == 0 ? value : keep * old + (1 - keep) * value, false);
    }
  });
}

void clip_norm(Stream&, double most, ConstView squares, View gradient) {
  with_real("clip_norm", gradient.dtype, [&](auto zero) {
    using T = decltype(zero);
    const double factor = std::min(1.0, most / (std::sqrt(static_cast<double>(*squares.as<T>())) + 1e-6));
    for (std::int64_t i = 0; i < gradient.count(); ++i) write(gradient.as<T>()[i], factor * gradient.as<T>()[i], false);
  });
}

}  // namespace tessera::kernels::reference
