// Numbers of tensors in files as float32.
#pragma once

#include <vector>

#include "engine/files/safetensors.h"

namespace tessera {

// F32 as it is; F16 and BF16 exactly; F64 rounded to the nearest. `where` names the file in errors:
//   WeightsError    another element type, or an F64 value beyond float32's range (3.4e38)
//   NonFiniteError  an element that is NaN or infinite in the file, with the tensor's name and the element
std::vector<float> to_float32(const TensorEntry& tensor, const std::string& where);

// The number that the 16 bits of an IEEE 754 binary16 stand for.
float from_half(std::uint16_t bits);

}  // namespace tessera
