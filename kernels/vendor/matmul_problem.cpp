#include "kernels/vendor/matmul_problem.h"

#include <limits>

namespace tessera::kernels::vendor {

std::string key_of(const MatmulProblem& p) {
  return std::string("matmul/") + (p.transpose_a ? "T" : "N") + (p.transpose_b ? "T" : "N") + "/m" + std::to_string(p.m) +
         "/n" + std::to_string(p.n) + "/k" + std::to_string(p.k) + "/" + name_of(p.a) + "/" + name_of(p.b) + "/" +
         name_of(p.c) + (p.epilogue ? "/epilogue" : "") + (p.accumulate ? "/accumulate" : "") + (p.tf32 ? "/tf32" : "");
}

bool serves(const MatmulProblem& p) {
  const bool types = (p.a == DType::f32 && p.b == DType::f32 && p.c == DType::f32) ||
                     (p.a == DType::bf16 && p.b == DType::bf16 && (p.c == DType::bf16 || p.c == DType::f32));
  if (!types || p.epilogue) return false;
  for (std::int64_t extent : {p.m, p.n, p.k})
    if (extent < 1 || extent > std::numeric_limits<int>::max()) return false;
  return true;
}

}  // namespace tessera::kernels::vendor
