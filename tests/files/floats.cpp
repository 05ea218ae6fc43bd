// Numbers of files as float32. Truth for halves: the value as the format's definition (IEEE 754-2019, 3.4) spells it, and
// every one of the 65,536 against the compiler's own type where there is one.
#include "engine/files/floats.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/catch.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

template <class T>
std::vector<float> floats(ElementType type, const std::vector<T>& stored) {
  return to_float32({"t", type, {static_cast<std::int64_t>(stored.size())}, std::as_bytes(std::span(stored))}, "f");
}

template <class T>
std::string error(ElementType type, const std::vector<T>& stored) {
  return error_of<Error>([&] { floats(type, stored); });
}

}  // namespace

TEST_CASE("half floats stand for what the format says", "[floats]") {
  CHECK(from_half(0x3c00) == 1.0f);
  CHECK(from_half(0xc000) == -2.0f);
  CHECK(from_half(0x7bff) == 65504.0f);
  CHECK(from_half(0x0400) == std::ldexp(1.0f, -14));  // the smallest normal one
  CHECK(from_half(0x0001) == std::ldexp(1.0f, -24));  // the smallest of all
  CHECK(std::signbit(from_half(0x8000)));
  CHECK(std::isinf(from_half(0xfc00)));
  CHECK(std::isnan(from_half(0x7e01)));
#ifdef __FLT16_MAX__
  int different = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float expected = static_cast<float>(std::bit_cast<_Float16>(static_cast<std::uint16_t>(bits)));
    const float got = from_half(static_cast<std::uint16_t>(bits));
    different += !(std::isnan(expected) ? std::isnan(got)
                                        : std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(expected));
  }
  CHECK(different == 0);
#endif
}

TEST_CASE("each type is converted, and what does not fit is named", "[floats]") {
  CHECK(floats<float>(ElementType::f32, {1.5f, -0.0f}) == std::vector<float>{1.5f, -0.0f});
  CHECK(floats<double>(ElementType::f64, {0.1, 1e-60}) == std::vector<float>{0.1f, 0.0f});
  CHECK(floats<std::uint16_t>(ElementType::bf16, {0x3fc0, 0xc000}) == std::vector<float>{1.5f, -2.0f});
  CHECK(floats<std::uint16_t>(ElementType::f16, {0x3e00, 0x5640}) == std::vector<float>{1.5f, 100.0f});
  CHECK(floats<std::uint16_t>(ElementType::f16, {}).empty());

  CHECK_THAT(error<double>(ElementType::f64, {1, 1e39}), Catch::Contains("f: tensor 't': element 1 is beyond float32"));
  CHECK_THAT(error<std::int64_t>(ElementType::i64, {1}), Catch::Contains("has dtype I64"));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THAT(error<float>(ElementType::f32, {1, 2, nan}), Catch::Contains("tensor 't': element 2 is NaN or infinite"));
  CHECK_THAT(error<double>(ElementType::f64, {HUGE_VAL}), Catch::Contains("element 0 is NaN or infinite"));
  CHECK_THAT(error<std::uint16_t>(ElementType::f16, {0x7c00}), Catch::Contains("NaN or infinite"));
  CHECK_THAT(error<std::uint16_t>(ElementType::bf16, {0xff80}), Catch::Contains("NaN or infinite"));
  CHECK_THROWS_AS(floats<float>(ElementType::f32, {nan}), NonFiniteError);
}
