// The `cpu` backend: float32 and bf16 on the host, vectorised and threaded.
//
// conv2d_forward_statistics stays empty: Winograd's output transform leaves a tile of a few channels at a time, so the sums
// of whole rows would need a pass of their own anyway; batch_norm_training makes it, over data that is still in the cache.
#include "kernels/backends.h"
#include "kernels/cpu/launchers.h"
#include "kernels/host_runtime.h"

namespace tessera::kernels {

const Backend& cpu_backend() {
  static const Backend table{
      .name = "cpu",
      .runtime = host_runtime(),
      .add = cpu::add,
      .convert = cpu::convert,
      .scale = cpu::scale,
      .activation_forward = cpu::activation_forward,
      .activation_backward = cpu::activation_backward,
      .dropout = cpu::dropout,
      .permute = cpu::permute,
      .copy_columns = cpu::copy_columns,
      .sum = cpu::sum,
      .sum_of_squares = cpu::sum_of_squares,
      .column_sums = cpu::column_sums,
      .matmul = cpu::matmul,
      .conv2d_forward = cpu::conv2d_forward,
      .conv2d_forward_statistics = none,
      .conv2d_backward_data = cpu::conv2d_backward_data,
      .conv2d_backward_weights = cpu::conv2d_backward_weights,
      .max_pool_forward = cpu::max_pool_forward,
      .max_pool_backward = cpu::max_pool_backward,
      .global_average_pool_forward = cpu::global_average_pool_forward,
      .global_average_pool_backward = cpu::global_average_pool_backward,
      .batch_norm_training = cpu::batch_norm_training,
      .batch_norm_inference = cpu::batch_norm_inference,
      .batch_norm_fold = cpu::batch_norm_fold,
      .batch_norm_backward = cpu::batch_norm_backward,
      .softmax_cross_entropy_forward = cpu::softmax_cross_entropy_forward,
      .softmax_cross_entropy_backward = cpu::softmax_cross_entropy_backward,
      .sigmoid_cross_entropy_forward = cpu::sigmoid_cross_entropy_forward,
      .sigmoid_cross_entropy_backward = cpu::sigmoid_cross_entropy_backward,
      .classification_metrics = cpu::classification_metrics,
      .check_finite = cpu::check_finite,
      .sgd_step = cpu::sgd_step,
      .adam_step = cpu::adam_step,
      .gather_batch = cpu::gather_batch,
  };
  return table;
}

}  // namespace tessera::kernels
