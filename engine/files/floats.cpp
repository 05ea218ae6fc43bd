#include "engine/files/floats.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace tessera {
namespace {

template <class Stored, class Convert>
void convert(const TensorEntry& tensor, std::vector<float>& to, const Convert& number_of) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, tensor.bytes.data() + i * sizeof stored, sizeof stored);
    to[i] = number_of(stored, i);
  }
}

}  // namespace

float from_half(std::uint16_t bits) {
  const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
  const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
  if (exponent == 0x1f)
    return fraction == 0 ? sign * std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(0x400 | fraction), exponent - 25);
}

std::vector<float> to_float32(const TensorEntry& tensor, const std::string& where) {
  const std::string tensor_at = where + ": tensor " + printable(tensor.name);
  std::vector<float> values(static_cast<std::size_t>(tensor.count()));
  switch (tensor.dtype) {
    case ElementType::f32: convert<float>(tensor, values, [](float x, std::size_t) { return x; }); break;
    case ElementType::f16:
      convert<std::uint16_t>(tensor, values, [](std::uint16_t x, std::size_t) { return from_half(x); });
      break;
    case ElementType::bf16:
      convert<std::uint16_t>(tensor, values,
                             [](std::uint16_t x, std::size_t) { return std::bit_cast<float>(std::uint32_t{x} << 16); });
      break;
    case ElementType::f64:
      convert<double>(tensor, values, [&](double x, std::size_t i) {
        const float rounded = static_cast<float>(x);
        if (std::isfinite(x) && !std::isfinite(rounded))
          throw WeightsError(tensor_at + ": element " + std::to_string(i) +
                             " is beyond float32, in which networks compute; scale the weights down or save them as F32");
        return rounded;
      });
      break;
    default:
      throw WeightsError(tensor_at + ": has dtype " + std::string(word_of(tensor.dtype)) +
                         "; weights are read from F32, F16, BF16 and F64");
  }
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw NonFiniteError(tensor_at + ": element " + std::to_string(i) +
                           " is NaN or infinite; such weights give no answer, take an earlier file of that training");
  return values;
}

}  // namespace tessera
