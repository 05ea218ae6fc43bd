// The `reference` backend: the truth for the tests. Every slot is there.
#include "kernels/backends.h"
#include "kernels/host_runtime.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels {

const Backend& reference_backend() {
  static const Backend table{
      .name = "reference",
      .runtime = host_runtime(),
      .add = reference::add,
      .convert = reference::convert,
      .scale = reference::scale,
      .activation_forward = reference::activation_forward,
      .activation_backward = reference::activation_backward,
      .dropout = reference::dropout,
      .permute = reference::permute,
      .copy_columns = reference::copy_columns,
      .sum = reference::sum,
      .sum_of_squares = reference::sum_of_squares,
      .column_sums = reference::column_sums,
      .matmul = reference::matmul,
      .conv2d_forward = reference::conv2d_forward,
      .conv2d_forward_statistics = reference::conv2d_forward_statistics,
      .conv2d_backward_data = reference::conv2d_backward_data,
      .conv2d_backward_weights = reference::conv2d_backward_weights,
      .max_pool_forward = reference::max_pool_forward,
      .max_pool_backward = reference::max_pool_backward,
      .global_average_pool_forward = reference::global_average_pool_forward,
      .global_average_pool_backward = reference::global_average_pool_backward,
      .batch_norm_training = reference::batch_norm_training,
      .batch_norm_inference = reference::batch_norm_inference,
      .batch_norm_fold = reference::batch_norm_fold,
      .batch_norm_backward = reference::batch_norm_backward,
      .softmax_cross_entropy_forward = reference::softmax_cross_entropy_forward,
      .softmax_cross_entropy_backward = reference::softmax_cross_entropy_backward,
      .sigmoid_cross_entropy_forward = reference::sigmoid_cross_entropy_forward,
      .sigmoid_cross_entropy_backward = reference::sigmoid_cross_entropy_backward,
      .classification_metrics = reference::classification_metrics,
      .check_finite = reference::check_finite,
      .sgd_step = reference::sgd_step,
      .adam_step = reference::adam_step,
      .gather_batch = reference::gather_batch,
  };
  return table;
}

}  // namespace tessera::kernels
