#include "kernels/vendor/batch_norm_problem.h"

namespace tessera::kernels::vendor {

Extents batch_extents(const Dims& x) {
  const std::int64_t channels = x.last();
  if (x.rank == 4) return {x[0], x[1], x[2], channels};
  return {channels == 0 ? 0 : x.count() / channels, 1, 1, channels};
}

std::string key_of(const BatchNormProblem& p) {
  return std::string(p.operation == BatchNormOperation::forward ? "batch_norm_forward" : "batch_norm_backward") + "/n" +
         std::to_string(p.x.n) + "/h" + std::to_string(p.x.h) + "/w" + std::to_string(p.x.w) + "/c" + std::to_string(p.x.c) +
         "/aligned" + std::to_string(p.alignment) + "/" + name_of(p.type) + (p.residual ? "/residual" : "") +
         (p.relu ? "/relu" : "");
}

bool serves(const BatchNormProblem& p) {
  if (p.type != DType::f32 && p.type != DType::bf16) return false;
  constexpr std::int64_t most = std::int64_t{1} << 31;
  const std::int64_t rows = p.x.n * p.x.h * p.x.w;
  if (p.alignment < 16 || rows < 2 || p.x.c < 1 || rows * p.x.c >= most) return false;
  if (p.x.c * static_cast<std::int64_t>(size_of(p.type)) % 16 != 0) return false;
  if (p.operation == BatchNormOperation::backward) return !p.residual && !p.relu;
  return p.relu || !p.residual;
}

}  // namespace tessera::kernels::vendor
