#include "kernels/vendor/conv2d_problem.h"

#include <initializer_list>

#include "kernels/vendor/graph.h"

namespace tessera::kernels::vendor {

std::string key_of(const Conv2dProblem& p) {
  const Conv2dShape& d = p.shape;
  std::string key = p.operation == Conv2dOperation::forward         ? "conv2d_forward"
                    : p.operation == Conv2dOperation::backward_data ? "conv2d_backward_data"
                                                                    : "conv2d_backward_weights";
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::int64_t>>{{"n", d.n},
                                                                                               {"h", d.h},
                                                                                               {"w", d.w},
                                                                                               {"c", d.c},
                                                                                               {"k", d.k},
                                                                                               {"r", d.r},
                                                                                               {"s", d.s},
                                                                                               {"p", d.p},
                                                                                               {"q", d.q},
                                                                                               {"stride", d.stride},
                                                                                               {"top", d.pad_top},
                                                                                               {"left", d.pad_left},
                                                                                               {"aligned", p.alignment}})
    key += std::string("/") + name + std::to_string(value);
  key += std::string("/") + name_of(p.type) + "/" + name_of(p.result);
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, bool>>{{"scale", p.scale},
                                                           {"shift", p.shift},
                                                           {"residual", p.residual},
                                                           {"relu", p.activation == Activation::relu},
                                                           {"sigmoid", p.activation == Activation::sigmoid},
                                                           {"accumulate", p.accumulate},
                                                           {"tf32", p.tf32},
                                                           {"direct", p.direct}})
    if (value) key += std::string("/") + name;
  return key;
}

bool serves(const Conv2dProblem& p) {
  const Conv2dShape& d = p.shape;
  const bool bf16 = p.type == DType::bf16;
  if (p.type != DType::f32 && !bf16) return false;
  if (p.result != (p.operation == Conv2dOperation::backward_weights ? DType::f32 : p.type)) return false;
  if (widens(p) && p.accumulate) return false;
  if (d.groups != 1) return false;

  for (std::int64_t extent : {d.n, d.h, d.w, d.c, d.k, d.r, d.s, d.p, d.q, d.stride})
    if (extent < 1) return false;
  if (d.pad_top < 0 || d.pad_left < 0) return false;
  constexpr std::int64_t most = std::int64_t{1} << 31;
  if (d.n * d.h * d.w * d.c >= most || d.k * d.r * d.s * d.c >= most || d.n * d.p * d.q * d.k >= most) return false;

  return whole_windows(d.h, d.r, d.p, d.stride, d.pad_top) && whole_windows(d.w, d.s, d.q, d.stride, d.pad_left);
}

}  // namespace tessera::kernels::vendor
