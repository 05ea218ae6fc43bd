// One matrix product as cuBLAS is asked for it.
#pragma once

#include <string>

#include "kernels/params.h"
#include "kernels/view.h"

namespace tessera::kernels::vendor {

struct MatmulProblem {
  std::int64_t m, n, k;  // op(a): [m,k], op(b): [k,n], c: [m,n]
  bool transpose_a, transpose_b;
  DType a, b, c;
  bool epilogue;  // there is a bias or an activation
  bool accumulate;
  bool tf32;
};

// A name for the problem; equal problems have equal keys, and no others. No blanks.
std::string key_of(const MatmulProblem& problem);

// Whether cuBLAS is asked; our kernel takes everything else:
//   * a and b both float32, c float32; or both bf16, c bf16 or float32;
//   * neither bias nor activation: cublasGemmEx has none, and a second pass over c would round a bf16 result twice;
//   * extents from 1 to 2³¹ − 1, its integers.
bool serves(const MatmulProblem& problem);

}  // namespace tessera::kernels::vendor
