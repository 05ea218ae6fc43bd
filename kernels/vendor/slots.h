// The slots that this overlay replaces (formulas in kernels/slots.def), and those it leaves to our kernels.
//
// Left:
//   conv2d_forward_statistics   empty: cuDNN's convolution with statistics exists for half precision only and sums whole
//                               columns, and our own would keep cuDNN from every convolution in front of a batch norm
//   linear_backward,            empty: gradients at once are ours alone, and would keep the libraries from those of small
//   conv2d_backward             layers; so each is asked for by itself
//   batch_norm_inference, _fold one pass of ours; folded into the convolution in front there is none left
//   everything else             neither library has it
//
// Verified so far: on machines without a GPU cuDNN 9.19 makes plans for all of these from a description of an H200, those
// it compiles at run time included (tests/vendor). Nothing here has run on a GPU yet: results and times are unknown.
#pragma once

#include "kernels/backend.h"

namespace tessera::kernels::vendor {

// Each as far as the library serves (what it does not, our kernels do: conv2d_problem.h and its like).

// cuDNN (conv2d.cpp)
decltype(Backend::conv2d_forward)::Signature conv2d_forward;
decltype(Backend::conv2d_backward_data)::Signature conv2d_backward_data;
decltype(Backend::conv2d_backward_weights)::Signature conv2d_backward_weights;

// cuDNN, but under Search::library_and_own (batch_norm.cpp)
decltype(Backend::batch_norm_training)::Signature batch_norm_training;
decltype(Backend::batch_norm_backward)::Signature batch_norm_backward;

// cuDNN, only under Search::library (max_pool.cpp)
decltype(Backend::max_pool_forward)::Signature max_pool_forward;
decltype(Backend::max_pool_backward)::Signature max_pool_backward;

// cuBLAS (matmul.cpp)
decltype(Backend::matmul)::Signature matmul;

}  // namespace tessera::kernels::vendor
