// layer_norm_forward, layer_norm_backward: formulas in kernels/slots.def.
//
// Loop order: row by row, a few passes over a row that lies in L1 (the inner loops of batch normalisation, with one number
// for all columns). Threads take blocks of rows; the sums of dgamma and dbeta are of blocks that depend on the shape alone
// and are joined in order: the same bits for any number of threads. Memory sees x and y once, x, dy and dx once.
#include <cmath>

#include "kernels/cpu/launchers.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {
namespace {

constexpr std::int64_t most_blocks = 64;

// Rows shared out in blocks, each with `buffers` rows of floats of its own; fn(block, first row, end, buffers).
template <class Function>
void for_row_blocks(Stream& stream, float* buffers, std::int64_t per_thread, std::int64_t rows, std::int64_t columns,
                    const Function& fn) {
  const std::int64_t blocks = std::clamp<std::int64_t>(rows * columns / grain_elements, 1, most_blocks);
  parallel_workers_for(stream, 0, blocks, 1, [&](int worker, std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; ++block)
      fn(block, rows * block / blocks, rows * (block + 1) / blocks, Scratch(buffers + worker * per_thread));
  });
}

}  // namespace

void layer_norm_forward(Stream& stream, double epsilon, ConstView x, ConstView gamma, ConstView beta, View y, View mean,
                        View rstd) {
  require_float(stream, "layer_norm_forward", {x, y});
  require_float32(stream, "layer_norm_forward", {gamma, beta, mean, rstd});
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t columns = gamma.count(), rows = x.count() / columns, per_thread = 7 * whole_lines(columns);
  Scratch scratch(stream, stream.options.threads * per_thread);
  for_row_blocks(
      stream, scratch.take(0), per_thread, rows, columns,
      [&](std::int64_t, std::int64_t first, std::int64_t end, Scratch own) {
        float *in = own.take(columns), *out = own.take(columns), *centre = own.take(columns), *centred = own.take(columns),
              *factor = own.take(columns), *ones = own.take(columns), *zeros = own.take(columns);
        std::fill_n(ones, columns, 1.0f);
        std::fill_n(zeros, columns, 0.0f);
        for (std::int64_t i = first; i < end; ++i) {
          const float* row = widened(loops, x, i * columns, columns, in);
          const float average = static_cast<float>(loops.sum(row, columns) / static_cast<double>(columns));
          std::fill_n(centre, columns, average);
          loops.normalise(row, nullptr, columns, columns, centre, ones, zeros, false, centred);
          // What rounding the mean loses, Σ centred, goes out of the variance and into the offset.
          const double lost = loops.sum(centred, columns) / static_cast<double>(columns);
          const double variance = loops.sum_of_squares(centred, columns) / static_cast<double>(columns) - lost * lost;
          const float r = static_cast<float>(1.0 / std::sqrt(variance + epsilon));
          loops.scale(r, gamma.as<float>(), factor, false, columns);
          std::fill_n(centre, columns, static_cast<float>(lost));
          const Gradient result{y, false};
          float* to = widened(loops, result, i * columns, columns, out);
          loops.normalise(centred, nullptr, columns, columns, centre, factor, beta.as<float>(), false, to);
          narrow_back(loops, result, i * columns, columns, out);
          mean.as<float>()[i] = static_cast<float>(static_cast<double>(average) + lost);
          rstd.as<float>()[i] = r;
        }
      });
}

void layer_norm_backward(Stream& stream, ConstView x, ConstView dy, ConstView gamma, ConstView mean, ConstView rstd,
                         Gradient dx, Gradient dgamma, Gradient dbeta) {
  require_float(stream, "layer_norm_backward", {x, dy, dx.view});
  require_float32(stream, "layer_norm_backward", {gamma, mean, rstd, dgamma.view, dbeta.view});
  const SimdLoops& loops = simd_loops(stream);
  const std::int64_t columns = gamma.count(), rows = x.count() / columns, line = whole_lines(columns);
  const std::int64_t blocks = std::clamp<std::int64_t>(rows * columns / grain_elements, 1, most_blocks);
  const std::int64_t per_thread = 10 * line, partial = 2 * line;
  Scratch scratch(stream, blocks * partial + stream.options.threads * per_thread);
  float* sums = scratch.take(blocks * partial);
  for_row_blocks(stream, scratch.take(0), per_thread, rows, columns,
                 [&](std::int64_t block, std::int64_t first, std::int64_t end, Scratch own) {
                   float *in = own.take(columns), *gradient_in = own.take(columns), *out = own.take(columns),
                         *centre = own.take(columns), *factor = own.take(columns), *zeros = own.take(columns),
                         *normalised = own.take(columns), *g = own.take(columns), *product = own.take(columns),
                         *slope = own.take(columns);
                   float *gamma_sums = sums + block * partial, *beta_sums = gamma_sums + line;
                   std::fill_n(gamma_sums, partial, 0.0f);
                   std::fill_n(zeros, columns, 0.0f);
                   for (std::int64_t i = first; i < end; ++i) {
                     const float* row = widened(loops, x, i * columns, columns, in);
                     const float* gradient = widened(loops, dy, i * columns, columns, gradient_in);
                     const float r = rstd.as<float>()[i];
                     std::fill_n(centre, columns, mean.as<float>()[i]);
                     std::fill_n(factor, columns, r);
                     loops.normalise(row, nullptr, columns, columns, centre, factor, zeros, false, normalised);
                     loops.arithmetic(Arithmetic::multiply, gradient, normalised, product, false, columns);
                     loops.column_sums(product, columns, columns, gamma_sums);
                     loops.column_sums(gradient, columns, columns, beta_sums);
                     if (!dx) continue;
                     loops.arithmetic(Arithmetic::multiply, gradient, gamma.as<float>(), g, false, columns);
                     loops.arithmetic(Arithmetic::multiply, g, normalised, product, false, columns);
                     const double share = 1.0 / static_cast<double>(columns), width = static_cast<double>(r);
                     std::fill_n(slope, columns, static_cast<float>(loops.sum(product, columns) * share * width));
                     std::fill_n(product, columns, static_cast<float>(loops.sum(g, columns) * share));
                     float* to = widened(loops, dx, i * columns, columns, out);
                     loops.input_gradient(row, nullptr, g, columns, columns, centre, factor, product, slope, to,
                                          dx.accumulate, nullptr, false);
                     narrow_back(loops, dx, i * columns, columns, out);
                   }
                 });
  const auto join = [&](const Gradient& to, const float* first) {
    if (!to) return;
    for (std::int64_t j = 0; j < columns; ++j) {
      double sum = to.accumulate ? static_cast<double>(to.view.as<float>()[j]) : 0.0;
      for (std::int64_t block = 0; block < blocks; ++block) sum += static_cast<double>(first[block * partial + j]);
      to.view.as<float>()[j] = static_cast<float>(sum);
    }
  };
  join(dgamma, sums);
  join(dbeta, sums + line);
}

}  // namespace tessera::kernels::cpu
