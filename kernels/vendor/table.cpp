// The `vendor` backend: the `cuda` table with the slots that cuDNN and cuBLAS serve replaced, on the same devices, where
// both libraries are to be had.
#include "kernels/backends.h"
#include "kernels/vendor/libraries.h"
#include "kernels/vendor/slots.h"

namespace tessera::kernels {
namespace {

int device_count(std::string* why) {
  const int count = cuda_backend().runtime.device_count(why);
  if (count == 0) return 0;
  try {
    (void)vendor::cudnn();
    (void)vendor::cublas();
  } catch (const DeviceError& error) {
    if (why) *why = error.what();
    return 0;
  }
  return count;
}

DeviceInfo device_info(int device) {
  DeviceInfo info = cuda_backend().runtime.device_info(device);
  info.detail += ", cuDNN " + vendor::cudnn().version() + ", cuBLAS " + vendor::cublas().version();
  return info;
}

const Runtime& vendor_runtime() {
  static const Runtime runtime = [] {
    Runtime changed = cuda_backend().runtime;
    changed.device_count = device_count;
    changed.device_info = device_info;
    return changed;
  }();
  return runtime;
}

}  // namespace

const Backend& vendor_backend() {
  const Backend& own = cuda_backend();
  static const Backend table = {
      .name = "vendor",
      .runtime = vendor_runtime(),
      .add = own.add,
      .convert = own.convert,
      .scale = own.scale,
      .activation_forward = own.activation_forward,
      .activation_backward = own.activation_backward,
      .dropout = own.dropout,
      .permute = own.permute,
      .copy_columns = own.copy_columns,
      .sum = own.sum,
      .sum_of_squares = own.sum_of_squares,
      .column_sums = own.column_sums,
      .matmul = vendor::matmul,
      .conv2d_forward = vendor::conv2d_forward,
      .conv2d_forward_statistics = none,
      .conv2d_backward_data = vendor::conv2d_backward_data,
      .conv2d_backward_weights = vendor::conv2d_backward_weights,
      .max_pool_forward = own.max_pool_forward,
      .max_pool_backward = own.max_pool_backward,
      .global_average_pool_forward = own.global_average_pool_forward,
      .global_average_pool_backward = own.global_average_pool_backward,
      .batch_norm_training = own.batch_norm_training,
      .batch_norm_inference = own.batch_norm_inference,
      .batch_norm_fold = own.batch_norm_fold,
      .batch_norm_backward = own.batch_norm_backward,
      .softmax_cross_entropy_forward = own.softmax_cross_entropy_forward,
      .softmax_cross_entropy_backward = own.softmax_cross_entropy_backward,
      .sigmoid_cross_entropy_forward = own.sigmoid_cross_entropy_forward,
      .sigmoid_cross_entropy_backward = own.sigmoid_cross_entropy_backward,
      .classification_metrics = own.classification_metrics,
      .check_finite = own.check_finite,
      .sgd_step = own.sgd_step,
      .adam_step = own.adam_step,
      .gather_batch = own.gather_batch,
  };
  return table;
}

}  // namespace tessera::kernels
