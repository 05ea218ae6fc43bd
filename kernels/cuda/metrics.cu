// classification_metrics: adds a batch to the epoch's sums. logits z: [n, k], labels: int32 [n], loss: one float.
//
//   rank of the label = number of j with z_j > z_label, ties broken by the lower index first; a NaN counts as greater, a
//   NaN at the label ranks last. Correct: rank 0; among the top five: rank < 5.
//   k = 1: correct where (z > 0) equals the label, also counted as top five.
//
// One warp per row (lane l takes columns l, l + 32, …), striding over the grid. Of few rows (few_rows.h) there is one block, and
// its first thread changes the sums, in double precision. Of more, each block leaves two counts in the workspace, and a second
// launch of one block adds them up and does the same. Counts are integers, so their order does not matter. 4 bytes per logit;
// latency is the bound.
// A label outside 0 … k − 1 counts as wrong.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/few_rows.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/reduce.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int rows_per_block = block_threads / warp_size;
constexpr std::int64_t most_blocks = 528;

struct Counts {
  std::int32_t correct, correct_top5;
};

// Is z_j before z_own in the ranking?
__device__ inline bool before(float z_j, std::int64_t j, float z_own, std::int64_t own) {
  if (j == own) return false;
  if (isnan(z_own) || isnan(z_j)) return true;
  return z_j > z_own || (z_j == z_own && j < own);
}

// What a batch adds besides its counts.
struct Added {
  const float* loss;
  std::int64_t n;
  double part;
};
__device__ inline void add_to(Metrics* metrics, const Added& batch, std::int64_t correct, std::int64_t correct_top5) {
  const double batch_loss = static_cast<double>(*batch.loss), samples = static_cast<double>(batch.n);
  metrics->loss_sum += batch_loss * samples;
  metrics->batch_loss_sum += batch.part * batch_loss;
  metrics->correct += static_cast<double>(correct);
  metrics->correct_top5 += static_cast<double>(correct_top5);
  metrics->samples += samples;
  metrics->batches += batch.part;
}

// counts: of each block; null where there is one, which changes the metrics itself.
__global__ void __launch_bounds__(few_rows_threads)
    count_kernel(const float* __restrict__ logits, const std::int32_t* __restrict__ labels, std::int64_t k, Added batch,
                 Counts* __restrict__ counts, Metrics* __restrict__ metrics) {
  __shared__ std::int32_t scratch[max_warps];
  const int lane = static_cast<int>(threadIdx.x) % warp_size;
  const std::int64_t warps = blockDim.x / warp_size;
  Counts count = {0, 0};  // of this warp, in its first lane
  for (std::int64_t row = blockIdx.x * warps + threadIdx.x / warp_size; row < batch.n; row += gridDim.x * warps) {
    const float* const z = logits + row * k;
    const std::int32_t label = labels[row];
    std::int32_t rank = 0;
    if (k == 1) {
      rank = label == (z[0] > 0.0f ? 1 : 0) ? 0 : 5;
    } else if (label < 0 || label >= k) {
      rank = 5;
    } else {
      const float own = z[label];
      for (std::int64_t j = lane; j < k; j += warp_size) rank += before(z[j], j, own, label) ? 1 : 0;
      rank = warp_sum(rank);
    }
    if (lane == 0) {
      count.correct += rank == 0 ? 1 : 0;
      count.correct_top5 += rank < 5 ? 1 : 0;
    }
  }
  const std::int32_t correct = block_sum(count.correct, scratch), correct_top5 = block_sum(count.correct_top5, scratch);
  if (threadIdx.x != 0) return;
  if (counts)
    counts[blockIdx.x] = {correct, correct_top5};
  else
    add_to(metrics, batch, correct, correct_top5);
}

__global__ void __launch_bounds__(block_threads)
    update_kernel(const Counts* __restrict__ counts, int blocks, Added batch, Metrics* __restrict__ metrics) {
  __shared__ std::int64_t scratch[max_warps];
  std::int64_t correct = 0, correct_top5 = 0;
  for (int i = static_cast<int>(threadIdx.x); i < blocks; i += block_threads) {
    correct += counts[i].correct;
    correct_top5 += counts[i].correct_top5;
  }
  correct = block_sum(correct, scratch);
  correct_top5 = block_sum(correct_top5, scratch);
  if (threadIdx.x == 0) add_to(metrics, batch, correct, correct_top5);
}

}  // namespace

void classification_metrics(Stream& stream, double part, ConstView logits, ConstView labels, ConstView loss,
                            Metrics* metrics) {
  require_float32(stream, logits);
  const std::int64_t n = logits.dims[0], k = logits.dims[1];
  const Added batch{loss.as<float>(), n, part};
  if (few_rows(n, k)) {
    launch(count_kernel, 1, few_rows_threads, 0, stream, logits.as<float>(), labels.as<std::int32_t>(), k, batch, nullptr,
           metrics);
    return;
  }
  const unsigned blocks = block_count(n, rows_per_block, most_blocks);
  Counts* counts = static_cast<Counts*>(stream.workspace.borrow(blocks * sizeof(Counts)));
  launch(count_kernel, blocks, block_threads, 0, stream, logits.as<float>(), labels.as<std::int32_t>(), k, batch, counts,
         metrics);
  launch(update_kernel, 1, block_threads, 0, stream, counts, static_cast<int>(blocks), batch, metrics);
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
