// The table of the GPU kernels, one text for both builds: `cuda` under nvcc, `emulated` under a C++ compiler.
#include "kernels/backends.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/runtime.h"

namespace tessera::kernels {

#if defined(__CUDACC__)
const Backend& cuda_backend() {
  constexpr const char* name = "cuda";
#else
const Backend& emulated_backend() {
  constexpr const char* name = "emulated";
#endif
  namespace gpu = TESSERA_GPU_NAMESPACE;
  static const Backend table = {
      .name = name,
      .runtime = gpu::runtime,
      .add = gpu::add,
      .convert = gpu::convert,
      .scale = gpu::scale,
      .activation_forward = gpu::activation_forward,
      .activation_backward = gpu::activation_backward,
      .dropout = gpu::dropout,
      .permute = gpu::permute,
      .copy_columns = gpu::copy_columns,
      .sum = gpu::sum,
      .sum_of_squares = gpu::sum_of_squares,
      .column_sums = gpu::column_sums,
      .matmul = gpu::matmul,
      .conv2d_forward = gpu::conv2d_forward,
      .conv2d_forward_statistics = gpu::conv2d_forward_statistics,
      .conv2d_backward_data = gpu::conv2d_backward_data,
      .conv2d_backward_weights = gpu::conv2d_backward_weights,
      .max_pool_forward = gpu::max_pool_forward,
      .max_pool_backward = gpu::max_pool_backward,
      .global_average_pool_forward = gpu::global_average_pool_forward,
      .global_average_pool_backward = gpu::global_average_pool_backward,
      .batch_norm_training = gpu::batch_norm_training,
      .batch_norm_inference = gpu::batch_norm_inference,
      .batch_norm_fold = gpu::batch_norm_fold,
      .batch_norm_backward = gpu::batch_norm_backward,
      .softmax_cross_entropy_forward = gpu::softmax_cross_entropy_forward,
      .softmax_cross_entropy_backward = gpu::softmax_cross_entropy_backward,
      .sigmoid_cross_entropy_forward = gpu::sigmoid_cross_entropy_forward,
      .sigmoid_cross_entropy_backward = gpu::sigmoid_cross_entropy_backward,
      .classification_metrics = gpu::classification_metrics,
      .check_finite = gpu::check_finite,
      .sgd_step = gpu::sgd_step,
      .adam_step = gpu::adam_step,
      .gather_batch = gpu::gather_batch,
  };
  return table;
}

}  // namespace tessera::kernels
