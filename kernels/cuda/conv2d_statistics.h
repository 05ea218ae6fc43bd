// The statistics of a convolution's output y [rows, columns] that batch_norm_training takes, where no block had a slice of
// statistics_rows rows in its hands (a sum that was split): statistics[slice] = {mean, Σ(y − mean)²} of each column.
//
// 32 columns of one slice per block of 256 threads; thread (column, group) takes each eighth row. y is read from where it was
// just written, twice, the second time from the L1 cache: size·rows·columns bytes, 4 FLOP an element. Bound by memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/launch_config.h"
#include "kernels/cuda/packs.h"
#include "kernels/params.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int slice_columns = 32, slice_groups = 8;

template <class T>
__global__ void __launch_bounds__(slice_columns* slice_groups)
    slice_statistics_kernel(const T* y, int rows, int columns, float* statistics) {
  DYNAMIC_SHARED(float, partial);  // [groups][columns]
  const int across = ceil_div(columns, slice_columns);
  const int slice = static_cast<int>(blockIdx.x) / across, place = static_cast<int>(threadIdx.x) % slice_columns;
  const int column = static_cast<int>(blockIdx.x) % across * slice_columns + place;
  const int group = static_cast<int>(threadIdx.x) / slice_columns, first = slice * static_cast<int>(statistics_rows);
  const int own = rows - first < statistics_rows ? rows - first : static_cast<int>(statistics_rows);
  const auto value = [&](int row) { return widened(y[static_cast<std::int64_t>(first + row) * columns + column]); };
  const auto add = [&](float v) {
    __syncthreads();
    partial[group * slice_columns + place] = v;
    __syncthreads();
    float sum = 0.0f;
    for (int g = 0; g < slice_groups; ++g) sum += partial[g * slice_columns + place];
    return sum;
  };
  float sum = 0.0f, squares = 0.0f;
  for (int row = group; row < own && column < columns; row += slice_groups) sum += value(row);
  const float mean = add(sum) / static_cast<float>(own);
  for (int row = group; row < own && column < columns; row += slice_groups)
    squares += (value(row) - mean) * (value(row) - mean);
  squares = add(squares);
  if (group == 0 && column < columns) {
    float* const to = statistics + static_cast<std::int64_t>(slice) * 2 * columns + column;
    to[0] = mean, to[columns] = squares;
  }
}

template <class T>
void slice_statistics(const LaunchOn& on, const T* y, int rows, int columns, float* statistics) {
  const int slices = ceil_div(rows, static_cast<int>(statistics_rows));
  launch(slice_statistics_kernel<T>, block_count(std::int64_t{slices} * ceil_div(columns, slice_columns), 1),
         slice_columns * slice_groups, slice_columns * slice_groups * sizeof(float), on, y, rows, columns, statistics);
}

}  // namespace
}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
