#include "kernels/vendor/max_pool_problem.h"

#include <initializer_list>
#include <utility>

namespace tessera::kernels::vendor {

std::string key_of(const MaxPoolProblem& p) {
  const Pool2dShape& d = p.shape;
  std::string key = p.operation == MaxPoolOperation::forward    ? "max_pool_forward"
                    : p.operation == MaxPoolOperation::backward ? "max_pool_backward"
                                                                : "max_pool_forward_with_index";
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::int64_t>>{{"n", d.n},
                                                                                               {"h", d.h},
                                                                                               {"w", d.w},
                                                                                               {"c", d.c},
                                                                                               {"r", d.r},
                                                                                               {"s", d.s},
                                                                                               {"p", d.p},
                                                                                               {"q", d.q},
                                                                                               {"stride", d.stride},
                                                                                               {"top", d.pad_top},
                                                                                               {"left", d.pad_left},
                                                                                               {"aligned", p.alignment}})
    key += std::string("/") + name + std::to_string(value);
  return key + "/" + name_of(p.type);
}

bool serves(const MaxPoolProblem& p) {
  const Pool2dShape& d = p.shape;
  if (p.type != DType::f32 && p.type != DType::bf16) return false;
  for (std::int64_t extent : {d.n, d.h, d.w, d.c, d.r, d.s, d.p, d.q, d.stride})
    if (extent < 1) return false;
  if (d.pad_top < 0 || d.pad_left < 0 || d.pad_top >= d.r || d.pad_left >= d.s) return false;
  constexpr std::int64_t most = std::int64_t{1} << 31;
  if (d.n * d.h * d.w * d.c >= most || d.n * d.p * d.q * d.c >= most || d.r * d.s > 127) return false;
  return whole_windows(d.h, d.r, d.p, d.stride, d.pad_top) && whole_windows(d.w, d.s, d.q, d.stride, d.pad_left);
}

}  // namespace tessera::kernels::vendor
