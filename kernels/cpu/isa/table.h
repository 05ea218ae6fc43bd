// The table of all kernels of one instruction set, for the file that includes it.
#pragma once

#include "kernels/cpu/isa/activation_loops.h"
#include "kernels/cpu/isa/batch_norm_loops.h"
#include "kernels/cpu/isa/depthwise_loops.h"
#include "kernels/cpu/isa/dropout_loops.h"
#include "kernels/cpu/isa/elementwise_loops.h"
#include "kernels/cpu/isa/int8_rows.h"
#include "kernels/cpu/isa/max_pool_loops.h"
#include "kernels/cpu/isa/optimizer_loops.h"
#include "kernels/cpu/isa/outer.h"
#include "kernels/cpu/isa/pack.h"
#include "kernels/cpu/isa/rows.h"
#include "kernels/cpu/isa/sum_loops.h"
#include "kernels/cpu/isa/winograd.h"

namespace tessera::kernels::cpu::isa {
namespace {

template <class E>
constexpr Typed<E> typed{
    .rows = rows<E>,
    .pack = pack<E>,
    .pack_transposed = pack_transposed<E>,
    .winograd2 = winograd_of<F2, E>,
    .winograd4 = winograd_of<F4, E>,
};

constexpr Kernels table_of(const char* name) {
  return {
      .name = name,
      .vector_width = vector_width,
      .panel_width = 2 * vector_width,
      .for_float = typed<float>,
      .for_bf16 = typed<bf16>,
      .int8 = int8_table,
      .outer = outer,
      .loops =
          {
              .widen = widen,
              .narrow = narrow,
              .arithmetic = arithmetic,
              .scale = scale,
              .activation_forward = activation_forward,
              .activation_backward = activation_backward,
              .dropout = dropout,
              .sum = sum,
              .sum_of_squares = sum_of_squares,
              .all_finite = all_finite,
              .column_sums = column_sums,
              .shifted_sums = shifted_sums,
              .normalise = normalise,
              .gradient_sums = gradient_sums,
              .input_gradient = input_gradient,
              .depthwise = depthwise,
              .depthwise_data = depthwise_data,
              .depthwise_weights = depthwise_weights,
              .adam = adam,
              .sgd = sgd,
              .lion = lion,
              .max_pool = max_pool,
              .max_pool_gradient = max_pool_gradient,
          },
  };
}

}  // namespace
}  // namespace tessera::kernels::cpu::isa
