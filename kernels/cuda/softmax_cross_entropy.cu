// Softmax and cross entropy in one, with label smoothing s; logits z: [n, k], labels: int32 [n].
//
//   t_ij = (1 − s)·[j = label_i] + s/k
//   forward   losses[i] = log Σ_j e^{z_ij − m_i} − Σ_j t_ij (z_ij − m_i),  m_i = max_j z_ij  (the t_ij of a row sum to 1);
//             mean = Σ_i losses[i]/n
//   backward  dlogits_ij (+)= (softmax(z_i)_j − t_ij) · dloss / n
//
// One warp per row: lane l takes columns l, l + 32, …; sums are warp shuffles in a fixed order. A row is read two or three
// times, from cache after the first. Bytes per element 4 (forward), 8 (backward; 12 accumulating); an exponential each.
// At the sizes of a classifier (512 × 10) a launch takes longer than its work: latency is the bound.
// Of few rows (few_rows.h) forward has one block of 32 warps, which also has the mean; of more, sum makes it of what was stored.
// A label outside 0 … k − 1 gives a NaN loss and NaN gradients in its row, and reads nothing out of bounds.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/few_rows.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/reduce.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int rows_per_block = block_threads / warp_size;

// This warp's row.
__device__ inline std::int64_t row_of_warp() {
  return static_cast<std::int64_t>(blockIdx.x) * rows_per_block + threadIdx.x / warp_size;
}

__device__ inline float row_max(const float* z, std::int64_t k) {
  float highest = -INFINITY;
  for (std::int64_t j = threadIdx.x % warp_size; j < k; j += warp_size) highest = z[j] > highest ? z[j] : highest;
  return warp_max(highest);
}

// A row's loss, in its warp's first lane.
__device__ inline float loss_of(const float* z, std::int32_t label, float smoothing, std::int64_t k) {
  const float highest = row_max(z, k);
  float exponentials = 0.0f, all = 0.0f, own = 0.0f;
  for (std::int64_t j = threadIdx.x % warp_size; j < k; j += warp_size) {
    const float d = z[j] - highest;
    exponentials += expf(d);
    all += d;
    if (j == label) own = d;
  }
  exponentials = warp_sum(exponentials);
  all = warp_sum(all);
  own = warp_sum(own);
  float loss = logf(exponentials) - (1.0f - smoothing) * own;
  if (smoothing > 0.0f) loss -= smoothing / static_cast<float>(k) * all;  // with s = 0 a logit of −∞ costs nothing
  return label >= 0 && label < k ? loss : NAN;
}

// mean?: of one block, which then has all rows.
__global__ void __launch_bounds__(few_rows_threads)
    forward_kernel(float smoothing, const float* __restrict__ logits, const std::int32_t* __restrict__ labels,
                   float* __restrict__ losses, float* __restrict__ mean, std::int64_t n, std::int64_t k) {
  __shared__ float scratch[max_warps];
  const std::int64_t warps = blockDim.x / warp_size;
  float sum = 0.0f;  // of this warp's rows, in its first lane
  for (std::int64_t row = blockIdx.x * warps + threadIdx.x / warp_size; row < n; row += gridDim.x * warps) {
    const float loss = loss_of(logits + row * k, labels[row], smoothing, k);
    if (threadIdx.x % warp_size == 0) {
      losses[row] = loss;
      sum += loss;
    }
  }
  sum = block_sum(sum, scratch);
  if (mean && threadIdx.x == 0) *mean = sum / static_cast<float>(n);
}

__global__ void __launch_bounds__(block_threads)
    backward_kernel(float smoothing, const float* __restrict__ logits, const std::int32_t* __restrict__ labels,
                    const float* __restrict__ dloss, float* __restrict__ dlogits, std::int64_t n, std::int64_t k,
                    bool accumulate) {
  const std::int64_t row = row_of_warp();
  if (row >= n) return;  // all lanes of the warp
  const float* const z = logits + row * k;
  const std::int32_t label = labels[row];
  const float highest = row_max(z, k);
  float own = 0.0f, others = 0.0f;  // exponentials
  for (std::int64_t j = threadIdx.x % warp_size; j < k; j += warp_size) {
    const float e = expf(z[j] - highest);
    (j == label ? own : others) += e;
  }
  own = warp_sum(own);
  others = warp_sum(others);
  const float one_part = 1.0f / (own + others);
  const float factor = label >= 0 && label < k ? *dloss / static_cast<float>(n) : NAN;
  const float floor = smoothing / static_cast<float>(k);  // t_ij but for the label's share
  for (std::int64_t j = threadIdx.x % warp_size; j < k; j += warp_size) {
    // softmax − 1 = −others/(own + others): without the cancellation that a confident row would suffer.
    const float difference = j == label ? (smoothing - floor) - others * one_part : expf(z[j] - highest) * one_part - floor;
    const float gradient = difference * factor;
    store(dlogits + row * k + j, Pack<1>{{gradient}}, accumulate);
  }
}

}  // namespace

void softmax_cross_entropy_forward(Stream& stream, double smoothing, ConstView logits, ConstView labels, View losses,
                                   View mean) {
  require_float32(stream, logits);
  const std::int64_t n = logits.dims[0], k = logits.dims[1];
  const bool one_block = mean && few_rows(n, k);
  launch(forward_kernel, one_block ? 1 : block_count(n, rows_per_block), one_block ? few_rows_threads : block_threads, 0,
         stream, static_cast<float>(smoothing), logits.as<float>(), labels.as<std::int32_t>(), losses.as<float>(),
         one_block ? mean.as<float>() : nullptr, n, k);
  if (mean && !one_block) sum(stream, 1 / static_cast<double>(n), losses, {mean, false});
}

void softmax_cross_entropy_backward(Stream& stream, double smoothing, ConstView logits, ConstView labels, ConstView dloss,
                                    Gradient dlogits) {
  require_float32(stream, logits);
  const std::int64_t n = logits.dims[0], k = logits.dims[1];
  launch(backward_kernel, block_count(n, rows_per_block), block_threads, 0, stream, static_cast<float>(smoothing),
         logits.as<float>(), labels.as<std::int32_t>(), dloss.as<float>(), dlogits.view.as<float>(), n, k,
         dlogits.accumulate);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
