// The inner loops of the memory-bound kernels, compiled once per instruction set: plain loops over flat float32 arrays, with
// no threads and no views. kernels/cpu/*.cpp cut the work up and call them through simd_loops(stream).
//
// Arrays never overlap unless a comment allows it; then they are the same array, element for element.
// "period" arrays belong to x by position: element i of x goes with element i % period. (Channels innermost; narrow rows are
// taken several at a time, see column_blocks.h.)
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/params.h"

namespace tessera::kernels {
class Stream;
}

namespace tessera::kernels::cpu {

// w = keep·w − step_size · m/(√v·root_scale + epsilon), after m = beta1·m + (1−beta1)·g', v = beta2·v + (1−beta2)·g'²,
// g' = g + weight_decay·w.
struct AdamConstants {
  float beta1, one_minus_beta1, beta2, one_minus_beta2, weight_decay, keep, step_size, root_scale, epsilon;
};

struct SgdConstants {
  float learning_rate, momentum, weight_decay;
  bool nesterov;
};

// w = keep·w − rate·sign(beta1·m + (1−beta1)·g), m = beta2·m + (1−beta2)·g.
struct LionConstants {
  float rate, keep, beta1, one_minus_beta1, beta2, one_minus_beta2;
};

// One row of windows that all reach the same rows × columns cells inside the input.
struct WindowRow {
  std::int64_t windows;
  std::int64_t channels;
  std::int64_t window_step;  // input elements from one window to the next
  std::int64_t row_step;     // input elements from one row to the next
  int rows, columns;         // cells of a window
  int first_number;          // number r·S + s of the first of those cells
  int number_step;           // S
};

struct SimdLoops {
  // ---- bf16 to float32, and back with one rounding
  void (*widen)(const bf16* x, std::int64_t count, float* y);
  void (*narrow)(const float* x, std::int64_t count, bf16* y);

  // ---- elementwise; y may be a or b, dx may be dy
  void (*arithmetic)(Arithmetic, const float* a, const float* b, float* y, bool accumulate, std::int64_t count);
  void (*scale)(float factor, const float* x, float* y, bool accumulate, std::int64_t count);
  void (*activation_forward)(Activation, const float* x, float* y, std::int64_t count);
  void (*activation_backward)(Activation, const float* v, const float* dy, float* dx, bool accumulate, std::int64_t count);

  // y (+)= keep ? x·factor : 0, for elements 4·first_block … 4·first_block + count of one dropout stream.
  void (*dropout)(std::uint64_t seed, std::uint64_t stream, std::int64_t first_block, float probability, float factor,
                  const float* x, float* y, bool accumulate, std::int64_t count);

  // ---- whole-array sums, in float32 lanes joined in double
  double (*sum)(const float* x, std::int64_t count);
  double (*sum_of_squares)(const float* x, std::int64_t count);
  bool (*all_finite)(const float* x, std::int64_t count);

  // ---- sums by column: sums[i % period] += x[i]
  void (*column_sums)(const float* x, std::int64_t count, std::int64_t period, float* sums);

  // ---- batch normalisation
  // sums += x − shift, squares += (x − shift)²
  void (*shifted_sums)(const float* x, std::int64_t count, std::int64_t period, const float* shift, float* sums,
                       float* squares);
  // y = f((x − mean)·factor + offset + residual?)
  void (*normalise)(const float* x, const float* residual, std::int64_t count, std::int64_t period, const float* mean,
                    const float* factor, const float* offset, bool relu, float* y);
  // dz = y ? (y > 0 ? dy : 0) : dy;  sums += dz, products += dz·(x − mean)
  void (*gradient_sums)(const float* x, const float* y, const float* dy, std::int64_t count, std::int64_t period,
                        const float* mean, float* sums, float* products);
  // dresidual? (+)= dz;  dx? (+)= factor·(dz − mean_dz − (x − mean)·slope), without the last two terms where slope is null.
  // dx or dresidual may be dy.
  void (*input_gradient)(const float* x, const float* y, const float* dy, std::int64_t count, std::int64_t period,
                         const float* mean, const float* factor, const float* mean_dz, const float* slope, float* dx,
                         bool accumulate_dx, float* dresidual, bool accumulate_dresidual);

  // ---- depthwise convolution, over all cells of each window; x, dx: channel 0 of the first window's first cell; w, dw:
  // [numbers, channels]; y, dy: [windows, channels]
  void (*depthwise)(const WindowRow&, const float* x, const float* w, float* y);            // y += x·w
  void (*depthwise_data)(const WindowRow&, const float* dy, const float* w, float* dx);     // dx += dy·w
  void (*depthwise_weights)(const WindowRow&, const float* x, const float* dy, float* dw);  // dw += Σ x·dy

  // ---- optimiser
  void (*adam)(const AdamConstants&, const float* gradient, float* weights, float* moment1, float* moment2,
               std::int64_t count);
  void (*sgd)(const SgdConstants&, const float* gradient, float* weights, float* velocity, std::int64_t count);
  void (*lion)(const LionConstants&, const float* gradient, float* weights, float* moment, std::int64_t count);

  // ---- max pooling; x and dx: channel 0 of the first window's first cell; y, dy, index (forward: may be null): [windows,
  // C]
  void (*max_pool)(const WindowRow&, const float* x, float* y, std::uint8_t* index);
  // dx += [index = number of the cell]·dy for each cell of each window; `assign`: = instead of +=
  void (*max_pool_gradient)(const WindowRow&, const float* dy, const std::uint8_t* index, float* dx, bool assign);
};

// Those of the stream's instruction set.
const SimdLoops& simd_loops(const Stream& stream);

}  // namespace tessera::kernels::cpu
