// The table of inner loops, for the instruction set of the file that includes it.
#pragma once

#include "kernels/cpu/isa/activation.h"
#include "kernels/cpu/isa/batch_norm_loops.h"
#include "kernels/cpu/isa/dropout_loops.h"
#include "kernels/cpu/isa/elementwise_loops.h"
#include "kernels/cpu/isa/max_pool_loops.h"
#include "kernels/cpu/isa/optimizer_loops.h"
#include "kernels/cpu/isa/sum_loops.h"

namespace tessera::kernels::cpu::isa {
namespace {

constexpr SimdLoops simd_table{
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
    .adam = adam,
    .sgd = sgd,
    .max_pool = max_pool,
    .max_pool_gradient = max_pool_gradient,
};

}  // namespace
}  // namespace tessera::kernels::cpu::isa
