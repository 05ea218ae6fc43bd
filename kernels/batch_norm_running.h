// The running statistics of batch normalisation from what a training pass has left of its batch: for an overlay whose
// library computes that pass, but whose own rule for them is another.
//
//   var = 1/rstd² − ε (not below 0);  running_mean ← (1−m)·running_mean + m·mean,
//   running_var ← (1−m)·running_var + m·var·(M/(M−1) where params.unbiased_variance and M > 1, else 1),  M = rows
//
// All views: float32 [C]; mean and rstd are only read. var is known to about 2⁻²² of var + ε, as rstd is.
// Bytes: 24 a channel; one thread each. No slot: kernels/cuda/batch_norm.cu defines it, once in each of its builds.
#pragma once

#include "kernels/params.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace tessera::kernels {

namespace cuda {
void batch_norm_running(Stream& stream, const BatchNormParams& params, std::int64_t rows, View mean, View rstd,
                        View running_mean, View running_var);
}
namespace emulated {
void batch_norm_running(Stream& stream, const BatchNormParams& params, std::int64_t rows, View mean, View rstd,
                        View running_mean, View running_var);
}

}  // namespace tessera::kernels
