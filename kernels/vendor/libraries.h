// cuDNN and cuBLAS as tables of typed function pointers. The types come from the official headers; nothing is linked.
//
// Both are opened on first use and stay open: closing a CUDA library while its driver context lives is not safe.
// Sources: cuDNN backend API and cuBLAS documentation (docs.nvidia.com), the headers cudnn_graph.h and cublas_api.h.
#pragma once

#include <cublas_v2.h>
#include <cudnn.h>

#include <string>

#include "kernels/vendor/shared_library.h"

namespace tessera::kernels::vendor {

// Every function this overlay calls, once.
// clang-format off
#define TESSERA_CUDNN_FUNCTIONS(F) F(cudnnGetVersion) TESSERA_CUDNN_REST(F)
#define TESSERA_CUDNN_REST(F)                                                              \
  F(cudnnGetErrorString) F(cudnnGetLastErrorString)                                        \
  F(cudnnCreate) F(cudnnDestroy) F(cudnnSetStream)                                         \
  F(cudnnBackendCreateDescriptor) F(cudnnBackendDestroyDescriptor)                         \
  F(cudnnBackendSetAttribute) F(cudnnBackendGetAttribute)                                  \
  F(cudnnBackendFinalize) F(cudnnBackendExecute)
#define TESSERA_CUBLAS_FUNCTIONS(F)                                                        \
  F(cublasGetProperty) F(cublasGetStatusString)                                            \
  F(cublasCreate_v2) F(cublasDestroy_v2)                                                   \
  F(cublasSetStream_v2) F(cublasSetWorkspace_v2) F(cublasSetMathMode)
// clang-format on

#define TESSERA_MEMBER(function) decltype(&::function) function;

struct Cudnn {
  SharedLibrary library;
  TESSERA_CUDNN_FUNCTIONS(TESSERA_MEMBER)

  // Throws DeviceError where there is none, or one that is not version 9.
  Cudnn();

  std::string version() const;  // "9.19.0"

  // Throws DeviceError: what failed, the library's name of the error and its last message.
  void check(cudnnStatus_t status, const std::string& what) const;
};

struct Cublas {
  SharedLibrary library;
  TESSERA_CUBLAS_FUNCTIONS(TESSERA_MEMBER)
  // The header overloads this one in C++; the library's own takes the type of the arithmetic.
  cublasStatus_t (*cublasGemmEx)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int m, int n, int k,
                                 const void* alpha, const void* a, cudaDataType, int lda, const void* b, cudaDataType,
                                 int ldb, const void* beta, void* c, cudaDataType, int ldc, cublasComputeType_t,
                                 cublasGemmAlgo_t);

  // Throws DeviceError where there is none.
  Cublas();

  std::string version() const;  // "13.1.0"
  void check(cublasStatus_t status, const std::string& what) const;
};

#undef TESSERA_MEMBER

// Opened on the first call; throw DeviceError where they cannot be.
const Cudnn& cudnn();
const Cublas& cublas();

}  // namespace tessera::kernels::vendor
