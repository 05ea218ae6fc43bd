// Which element types a kernel of this backend takes: float32 everywhere, bf16 where kernels/backend.h says T.
#pragma once

#include <initializer_list>

#include "kernels/backend.h"

namespace tessera::kernels::cpu {

// Throws MissingKernel unless every operand that is there is float32.
inline void require_float32(const Stream& stream, const char* op, std::initializer_list<ConstView> operands) {
  for (const ConstView& operand : operands)
    if (operand && operand.dtype != DType::f32) throw MissingKernel(op, backend_name(stream), name_of(operand.dtype));
}

// Throws MissingKernel unless every operand that is there is float32 or bf16.
inline void require_float(const Stream& stream, const char* op, std::initializer_list<ConstView> operands) {
  for (const ConstView& operand : operands)
    if (operand && operand.dtype != DType::f32 && operand.dtype != DType::bf16)
      throw MissingKernel(op, backend_name(stream), name_of(operand.dtype));
}

// Calls fn(zero) with a zero of the operands' type, float or bf16. Throws MissingKernel where they are of another type or of
// two.
template <class Function>
void with_type(const Stream& stream, const char* op, std::initializer_list<ConstView> operands, const Function& fn) {
  require_float(stream, op, operands);
  const DType type = operands.begin()->dtype;
  for (const ConstView& operand : operands)
    if (operand && operand.dtype != type) throw MissingKernel(op, backend_name(stream), "float32 beside bfloat16");
  if (type == DType::bf16)
    fn(bf16{});
  else
    fn(0.0f);
}

inline float as_float(float x) { return x; }
inline float as_float(bf16 x) { return to_float(x); }

// Rounded once.
inline float added(float a, float b) { return a + b; }
inline bf16 added(bf16 a, bf16 b) { return to_bf16(to_float(a) + to_float(b)); }

}  // namespace tessera::kernels::cpu
