// matmul on cuBLAS: c (+)= op(a)·op(b), cublasGemmEx with float32 sums. What it does not serve our kernel computes.
//
// cuBLAS stores columns contiguously, we store rows: a row-major matrix is its transpose to cuBLAS, and
// c = op(a)·op(b) becomes cᵀ = op(b)ᵀ·op(a)ᵀ: the operands change places, m and n too, and every op stays as it is.
// Source: cuBLAS documentation, cublasGemmEx, cublasSetWorkspace, "Results reproducibility".
#include "kernels/backends.h"
#include "kernels/vendor/matmul_problem.h"
#include "kernels/vendor/session.h"
#include "kernels/vendor/slots.h"

namespace tessera::kernels::vendor {
namespace {

cudaDataType data_type(DType type) { return type == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F; }

void gemm(cublasHandle_t handle, const MatmulProblem& p, const void* a, const void* b, void* c) {
  const auto op = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const int m = static_cast<int>(p.m), n = static_cast<int>(p.n), k = static_cast<int>(p.k);
  const float alpha = 1, beta = p.accumulate ? 1.0f : 0.0f;
  const bool tf32 = p.tf32 && p.a == DType::f32;
  cublas().check(
      cublas().cublasGemmEx(handle, op(p.transpose_b), op(p.transpose_a), n, m, k, &alpha, b, data_type(p.b),
                            p.transpose_b ? k : n, a, data_type(p.a), p.transpose_a ? m : k, &beta, c, data_type(p.c), n,
                            tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      key_of(p));
}

}  // namespace

void matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView bias, Gradient c) {
  const auto own = [&](Gradient to) { cuda_backend().matmul(stream, params, a, b, bias, to); };
  const MatmulProblem problem{.m = c.view.dims[0],
                              .n = c.view.dims[1],
                              .k = a.dims[params.transpose_a ? 0 : 1],
                              .transpose_a = params.transpose_a,
                              .transpose_b = params.transpose_b,
                              .a = a.dtype,
                              .b = b.dtype,
                              .c = c.view.dtype,
                              .epilogue = bias || params.activation != Activation::none,
                              .accumulate = c.accumulate,
                              .tf32 = stream.options.tf32};
  if (!serves(problem)) return own(c);

  Session& session = Session::of(stream);
  const auto library = [&](void* to) { gemm(session.cublas_handle(), problem, a.data, b.data, to); };
  const auto own_to = [&](void* to) { own({View{to, c.view.dtype, c.view.dims}, c.accumulate}); };
  const std::size_t bytes = static_cast<std::size_t>(c.view.count()) * size_of(c.view.dtype);
  if (session.choose_library(stream, key_of(problem), bytes, library, own_to))
    library(c.view.data);
  else
    own(c);
}

}  // namespace tessera::kernels::vendor
