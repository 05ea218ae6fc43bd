// batch_norm_training, batch_norm_inference, batch_norm_fold, batch_norm_backward: formulas in kernels/slots.def.
//
// x is a matrix [M, C] cut into blocks of rows (column_blocks.h); threads take whole blocks.
//   training   pass 1 reads x: per block and channel a shift K, Σ(x − K) and Σ(x − K)²; joined in double (left out where
//              the statistics are given)
//              pass 2 reads x and residual, writes y
//   inference  pass 2 only
//   fold       C numbers
//   backward   pass 1 reads x, y, dy: Σdz and Σdz·(x − mean) per block; joined in double
//              pass 2 reads them again, writes dx and dresidual
// bf16 operands are widened a few rows at a time (pieces.h).
// The second pass visits the blocks in the reverse order: what the first read last is still in the cache.
// Bytes an element: training 12 (residual 16), inference 8 (12), backward 28 (dresidual 32). Bound by memory.
// Measured (2 threads of a Zen 4 server, AVX-512, 32×32×32×64 in L3, ReLU): training 0.25 ms, backward 0.78, both in
// turn 1.50.
//
// Accuracy: K is the mean of the block's first sixteenth. The mean of a part of the samples that is at least 1/17 of them
// lies within 4 standard deviations of the whole's mean, so Σ(x − K)² − (Σ(x − K))²/n loses at most a factor 17 to
// cancellation, whatever the data; blocks are joined as deviations from the common mean. A mean of 1000 costs nothing.
//   Source: Chan, Golub, LeVeque, "Algorithms for computing the sample variance", The American Statistician 37, 1983.
#include <cmath>

#include "kernels/cpu/column_blocks.h"
#include "kernels/cpu/launchers.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/scratch.h"

namespace tessera::kernels::cpu {
namespace {

double* take_doubles(Scratch& scratch, std::int64_t count) { return reinterpret_cast<double*>(scratch.take(2 * count)); }

// The rows of x and its companions, in blocks that threads share out and pieces of a block that fit a thread's buffers.
class Rows {
 public:
  static constexpr int most_operands = 5;

  // `operands`: at most most_operands that are widened piece by piece; `scratch_floats()` must be left in the scratch.
  Rows(const Stream& stream, std::int64_t rows, std::int64_t channels, std::initializer_list<ConstView> operands)
      : cut(rows, channels), stream_(stream), buffered_(std::any_of(operands.begin(), operands.end(), is_bf16)) {}

  const ColumnBlocks cut;

  std::int64_t scratch_floats() const { return buffered_ ? stream_.options.threads * most_operands * buffer() : 0; }
  void take_from(Scratch& scratch) { buffers_ = scratch.take(scratch_floats()); }

  // fn(block, worker) for every block.
  template <class Function>
  void for_blocks(const Function& fn) const {
    parallel_workers_for(stream_, 0, cut.blocks, 1, [&](int worker, std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) fn(i, worker);
    });
  }
  template <class Function>
  void for_blocks_backwards(const Function& fn) const {
    parallel_workers_for(
        stream_, 0, cut.blocks, 1,
        [&](int worker, std::int64_t first, std::int64_t last) {
          for (std::int64_t i = last; i-- > first;) fn(i, worker);
        },
        ThreadPool::Order::backwards);
  }
  // fn(first, count) for the pieces of elements [begin, end).
  template <class Function>
  void pieces(std::int64_t begin, std::int64_t end, const Function& fn) const {
    for_pieces(begin, end, cut.piece(buffered_), fn);
  }
  template <class Function>
  void pieces_of(std::int64_t block, const Function& fn) const {
    pieces(cut.begin(block), cut.end(block), fn);
  }
  // Of one operand of one thread.
  float* buffer(int worker, int operand) const {
    return buffered_ ? buffers_ + (worker * most_operands + operand) * buffer() : nullptr;
  }

 private:
  std::int64_t buffer() const { return whole_lines(cut.piece(true)); }

  const Stream& stream_;
  const bool buffered_;
  float* buffers_ = nullptr;
};

// A value per channel, repeated for each row of a folded one.
void spread(const ColumnBlocks& cut, float* values) {
  for (std::int64_t i = cut.columns; i < cut.period; ++i) values[i] = values[i - cut.columns];
}

std::int64_t rows_of(ConstView x, std::int64_t channels) { return channels == 0 ? 0 : x.count() / channels; }

// Mean and biased variance of each channel.
void moments_of(const Rows& rows, const SimdLoops& loops, ConstView x, float* partial, double* mean, double* variance) {
  const ColumnBlocks& cut = rows.cut;
  const std::int64_t period = cut.period, channels = cut.columns;
  rows.for_blocks([&](std::int64_t block, int worker) {
    float *shift = partial + 3 * block * period, *sums = shift + period, *squares = sums + period;
    const auto from = [&](std::int64_t i, std::int64_t count) {
      return widened(loops, x, i, count, rows.buffer(worker, 0));
    };
    const std::int64_t begin = cut.begin(block), count = cut.count(block);
    const std::int64_t sample_rows = std::max<std::int64_t>(count / period / 16, 1);
    std::fill_n(shift, 3 * period, 0.0f);
    rows.pieces(begin, begin + std::min(sample_rows * period, count),
                [&](std::int64_t i, std::int64_t here) { loops.column_sums(from(i, here), here, period, shift); });
    for (std::int64_t i = 0; i < period; ++i) shift[i] /= static_cast<float>(sample_rows);
    rows.pieces_of(block, [&](std::int64_t i, std::int64_t here) {
      loops.shifted_sums(from(i, here), here, period, shift, sums, squares);
    });
  });

  // Groups: (block, row of the fold). group_rows · (deviation of the group's mean) = sum of its shifted values.
  const double all_rows = static_cast<double>(cut.rows);
  const auto for_groups = [&](const auto& fn) {
    for (std::int64_t block = 0; block < cut.blocks; ++block)
      for (std::int64_t first = 0; first < period; first += channels) {
        const double group_rows = static_cast<double>(cut.rows_at(block, first));
        const float* shift = partial + 3 * block * period + first;
        if (group_rows > 0) fn(group_rows, shift, shift + period, shift + 2 * period);
      }
  };
  std::fill_n(mean, channels, 0.0);
  std::fill_n(variance, channels, 0.0);
  for_groups([&](double group_rows, const float* shift, const float* sums, const float*) {
    for (std::int64_t c = 0; c < channels; ++c)
      mean[c] += group_rows * static_cast<double>(shift[c]) + static_cast<double>(sums[c]);
  });
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= all_rows;
  for_groups([&](double group_rows, const float* shift, const float* sums, const float* squares) {
    const double per_row = 1.0 / group_rows;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double sum = static_cast<double>(sums[c]), from_shift = sum * per_row;
      const double between = static_cast<double>(shift[c]) + from_shift - mean[c];
      variance[c] += (static_cast<double>(squares[c]) - sum * from_shift) + group_rows * between * between;
    }
  });
  for (std::int64_t c = 0; c < channels; ++c) variance[c] = std::max(variance[c] / all_rows, 0.0);
}

// The same, from the means and squares of slices of x (conv2d_forward_statistics).
void join_slices(ConstView statistics, std::int64_t rows, std::int64_t channels, double* mean, double* variance) {
  const auto for_slices = [&](const auto& fn) {  // fn(rows of the slice, means, squares)
    const float* slice = statistics.as<float>();
    for (std::int64_t first = 0; first < rows; first += statistics_rows, slice += 2 * channels)
      fn(static_cast<double>(std::min(statistics_rows, rows - first)), slice, slice + channels);
  };
  std::fill_n(mean, channels, 0.0);
  std::fill_n(variance, channels, 0.0);
  for_slices([&](double slice_rows, const float* means, const float*) {
    for (std::int64_t c = 0; c < channels; ++c) mean[c] += slice_rows * static_cast<double>(means[c]);
  });
  for (std::int64_t c = 0; c < channels; ++c) mean[c] /= static_cast<double>(rows);
  for_slices([&](double slice_rows, const float* means, const float* squares) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const double between = static_cast<double>(means[c]) - mean[c];
      variance[c] += static_cast<double>(squares[c]) + slice_rows * between * between;
    }
  });
  for (std::int64_t c = 0; c < channels; ++c) variance[c] /= static_cast<double>(rows);
}

void apply(const Rows& rows, const SimdLoops& loops, const BatchNormParams& params, ConstView x, ConstView residual,
           const float* mean, const float* factor, const float* offset, View y) {
  const bool relu = params.activation == Activation::relu;
  const Gradient out{y, false};
  rows.for_blocks_backwards([&](std::int64_t block, int worker) {
    rows.pieces_of(block, [&](std::int64_t i, std::int64_t count) {
      float* to = widened(loops, out, i, count, rows.buffer(worker, 2));
      loops.normalise(widened(loops, x, i, count, rows.buffer(worker, 0)),
                      widened(loops, residual, i, count, rows.buffer(worker, 1)), count, rows.cut.period, mean, factor,
                      offset, relu, to);
      narrow_back(loops, out, i, count, to);
    });
  });
}

}  // namespace

void batch_norm_training(Stream& stream, const BatchNormParams& params, ConstView x, ConstView statistics,
                         ConstView residual, ConstView gamma, ConstView beta, View running_mean, View running_var, View y,
                         View mean, View rstd) {
  require_float(stream, "batch_norm_training", {x, residual, y});
  require_float32(stream, "batch_norm_training", {statistics, gamma, beta, running_mean, running_var, mean, rstd});
  const std::int64_t channels = gamma.count(), count = rows_of(x, channels);
  if (count == 0) return;
  const SimdLoops& loops = simd_loops(stream);
  Rows rows(stream, count, channels, {x, residual, y});
  const ColumnBlocks& cut = rows.cut;
  const std::int64_t partial_count = statistics ? 0 : 3 * cut.blocks * cut.period;
  Scratch scratch(stream, whole_lines(partial_count) + 2 * whole_lines(2 * channels) + 3 * whole_lines(cut.period) +
                              rows.scratch_floats());
  float* partial = scratch.take(partial_count);
  double *batch_mean = take_doubles(scratch, channels), *batch_var = take_doubles(scratch, channels);
  float *centre = scratch.take(cut.period), *factor = scratch.take(cut.period), *offset = scratch.take(cut.period);
  rows.take_from(scratch);

  if (statistics)
    join_slices(statistics, count, channels, batch_mean, batch_var);
  else
    moments_of(rows, loops, x, partial, batch_mean, batch_var);

  const double m = params.momentum;
  const double unbias =
      params.unbiased_variance && count > 1 ? static_cast<double>(count) / static_cast<double>(count - 1) : 1.0;
  const auto mix = [m](float& running, double batch) {
    running = static_cast<float>((1.0 - m) * static_cast<double>(running) + m * batch);
  };
  for (std::int64_t c = 0; c < channels; ++c) {
    const double inverse = 1.0 / std::sqrt(batch_var[c] + params.epsilon);
    mix(running_mean.as<float>()[c], batch_mean[c]);
    mix(running_var.as<float>()[c], batch_var[c] * unbias);
    mean.as<float>()[c] = centre[c] = static_cast<float>(batch_mean[c]);
    rstd.as<float>()[c] = static_cast<float>(inverse);
    factor[c] = static_cast<float>(static_cast<double>(gamma.as<float>()[c]) * inverse);
    // What rounding the mean to float32 loses goes into the offset.
    offset[c] = static_cast<float>(static_cast<double>(beta.as<float>()[c]) +
                                   (static_cast<double>(centre[c]) - batch_mean[c]) * static_cast<double>(factor[c]));
  }
  for (float* values : {centre, factor, offset}) spread(cut, values);
  apply(rows, loops, params, x, residual, centre, factor, offset, y);
}

void batch_norm_inference(Stream& stream, const BatchNormParams& params, ConstView x, ConstView residual, ConstView gamma,
                          ConstView beta, ConstView running_mean, ConstView running_var, View y, View rstd) {
  require_float(stream, "batch_norm_inference", {x, residual, y});
  require_float32(stream, "batch_norm_inference", {gamma, beta, running_mean, running_var, rstd});
  const std::int64_t channels = gamma.count();
  const SimdLoops& loops = simd_loops(stream);
  Rows rows(stream, rows_of(x, channels), std::max<std::int64_t>(channels, 1), {x, residual, y});
  const ColumnBlocks& cut = rows.cut;
  Scratch scratch(stream, 3 * whole_lines(cut.period) + rows.scratch_floats());
  float *centre = scratch.take(cut.period), *factor = scratch.take(cut.period), *offset = scratch.take(cut.period);
  rows.take_from(scratch);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double inverse = 1.0 / std::sqrt(static_cast<double>(running_var.as<float>()[c]) + params.epsilon);
    if (rstd) rstd.as<float>()[c] = static_cast<float>(inverse);
    centre[c] = running_mean.as<float>()[c];
    factor[c] = static_cast<float>(static_cast<double>(gamma.as<float>()[c]) * inverse);
    offset[c] = beta.as<float>()[c];
  }
  for (float* values : {centre, factor, offset}) spread(cut, values);
  apply(rows, loops, params, x, residual, centre, factor, offset, y);
}

void batch_norm_fold(Stream& stream, const BatchNormParams& params, ConstView bias, ConstView gamma, ConstView beta,
                     ConstView running_mean, ConstView running_var, View scale, View shift) {
  require_float32(stream, "batch_norm_fold", {bias, gamma, beta, running_mean, running_var, scale, shift});
  const auto at = [](ConstView values, std::int64_t c) { return static_cast<double>(values.as<float>()[c]); };
  for (std::int64_t c = 0; c < gamma.count(); ++c) {
    const double factor = at(gamma, c) / std::sqrt(at(running_var, c) + params.epsilon);
    scale.as<float>()[c] = static_cast<float>(factor);
    shift.as<float>()[c] = static_cast<float>(at(beta, c) + ((bias ? at(bias, c) : 0.0) - at(running_mean, c)) * factor);
  }
}

void batch_norm_backward(Stream& stream, const BatchNormParams& params, bool batch_statistics, ConstView x, ConstView y,
                         ConstView dy, ConstView gamma, ConstView mean, ConstView rstd, Gradient dx, Gradient dresidual,
                         Gradient dgamma, Gradient dbeta) {
  require_float(stream, "batch_norm_backward", {x, y, dy, dx.view, dresidual.view});
  require_float32(stream, "batch_norm_backward", {gamma, mean, rstd, dgamma.view, dbeta.view});
  const std::int64_t channels = gamma.count(), count = rows_of(x, channels);
  const SimdLoops& loops = simd_loops(stream);
  Rows rows(stream, count, std::max<std::int64_t>(channels, 1), {x, y, dy, dx.view, dresidual.view});
  const ColumnBlocks& cut = rows.cut;
  const std::int64_t partial_count = 2 * cut.blocks * cut.period;
  Scratch scratch(stream, whole_lines(partial_count) + 2 * whole_lines(2 * channels) + 4 * whole_lines(cut.period) +
                              rows.scratch_floats());
  float* partial = scratch.take(partial_count);
  double *sum_dz = take_doubles(scratch, channels), *sum_product = take_doubles(scratch, channels);
  float *centre = scratch.take(cut.period), *factor = scratch.take(cut.period), *mean_dz = scratch.take(cut.period),
        *slope = scratch.take(cut.period);
  rows.take_from(scratch);
  std::copy_n(mean.as<float>(), channels, centre);
  spread(cut, centre);

  const ConstView output = params.activation == Activation::relu ? y : ConstView{};
  struct Inputs {
    const float *x, *y, *dy;
  };
  const auto read = [&](std::int64_t i, std::int64_t here, int worker) -> Inputs {
    return {widened(loops, x, i, here, rows.buffer(worker, 0)), widened(loops, output, i, here, rows.buffer(worker, 1)),
            widened(loops, dy, i, here, rows.buffer(worker, 2))};
  };

  const bool sums_wanted = dgamma || dbeta || (dx && batch_statistics);
  if (sums_wanted) {
    rows.for_blocks([&](std::int64_t block, int worker) {
      float *sums = partial + 2 * block * cut.period, *products = sums + cut.period;
      std::fill_n(sums, 2 * cut.period, 0.0f);
      rows.pieces_of(block, [&](std::int64_t i, std::int64_t here) {
        const Inputs in = read(i, here, worker);
        loops.gradient_sums(in.x, in.y, in.dy, here, cut.period, centre, sums, products);
      });
    });
    std::fill_n(sum_dz, channels, 0.0);
    std::fill_n(sum_product, channels, 0.0);
    for (std::int64_t block = 0; block < cut.blocks; ++block)
      for (std::int64_t first = 0; first < cut.period; first += channels) {
        const float *sums = partial + 2 * block * cut.period + first, *products = sums + cut.period;
        for (std::int64_t c = 0; c < channels; ++c) {
          sum_dz[c] += static_cast<double>(sums[c]);
          sum_product[c] += static_cast<double>(products[c]);
        }
      }
  }

  const auto write = [](const Gradient& to, std::int64_t c, double value) {
    float& out = to.view.as<float>()[c];
    out = static_cast<float>(to.accumulate ? static_cast<double>(out) + value : value);
  };
  for (std::int64_t c = 0; c < channels; ++c) {
    const double inverse = static_cast<double>(rstd.as<float>()[c]);
    factor[c] = static_cast<float>(static_cast<double>(gamma.as<float>()[c]) * inverse);
    if (!sums_wanted) continue;
    if (dbeta) write(dbeta, c, sum_dz[c]);
    if (dgamma) write(dgamma, c, sum_product[c] * inverse);
    mean_dz[c] = static_cast<float>(sum_dz[c] / static_cast<double>(count));
    slope[c] = static_cast<float>(sum_product[c] * inverse * inverse / static_cast<double>(count));
  }
  if (!dx && !dresidual) return;
  for (float* parameters : {factor, mean_dz, slope}) spread(cut, parameters);
  rows.for_blocks_backwards([&](std::int64_t block, int worker) {
    rows.pieces_of(block, [&](std::int64_t i, std::int64_t here) {
      const Inputs in = read(i, here, worker);
      float* to = widened(loops, dx, i, here, rows.buffer(worker, 3));
      float* to_residual = widened(loops, dresidual, i, here, rows.buffer(worker, 4));
      loops.input_gradient(in.x, in.y, in.dy, here, cut.period, centre, factor, mean_dz, batch_statistics ? slope : nullptr,
                           to, dx.accumulate, to_residual, dresidual.accumulate);
      narrow_back(loops, dx, i, here, to);
      narrow_back(loops, dresidual, i, here, to_residual);
    });
  });
}

}  // namespace tessera::kernels::cpu
