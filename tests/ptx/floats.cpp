// Floating point, against values worked out by hand.
#include <cmath>
#include <limits>

#include "tests/ptx/support.h"

using namespace tessera::ptx;
using namespace tessera::ptx::test;
using std::vector;

constexpr f32 not_a_number = std::numeric_limits<f32>::quiet_NaN(), infinity = std::numeric_limits<f32>::infinity();

TEST_CASE("sums and products of floats, in every rounding") {
  const vector<f32> one{1, -1}, half_a_place{0x1p-24f, -0x1p-24f};  // 1 + 2⁻²⁴ lies halfway between two floats
  CHECK(lanes<f32>("add.f32 %d, %a0, %a1;", one, half_a_place) == one);
  CHECK(lanes<f32>("add.rn.f32 %d, %a0, %a1;", one, vector<f32>{0x1p-23f, 0x1p-23f}) ==
        vector<f32>{1 + 0x1p-23f, -1 + 0x1p-23f});
  CHECK(lanes<f32>("add.rp.f32 %d, %a0, %a1;", one, half_a_place) == vector<f32>{1 + 0x1p-23f, -1});
  CHECK(lanes<f32>("add.rm.f32 %d, %a0, %a1;", one, half_a_place) == vector<f32>{1, -1 - 0x1p-23f});
  CHECK(lanes<f32>("sub.rz.f32 %d, %a0, %a1;", one, half_a_place) == vector<f32>{1 - 0x1p-24f, -1 + 0x1p-24f});
  CHECK(lanes<f32>("mul.f32 %d, %a0, 0f40400000;", vector<f32>{2.5f, -1}) == vector<f32>{7.5f, -3});
  CHECK(lanes<f64>("sub.f64 %d, %a0, 0d3FF0000000000000;", vector<f64>{1.5}) == vector<f64>{0.5});
  CHECK(lanes<f64>("add.f64 %d, %a0, %a1;", vector<f64>{1.5}, vector<f64>{2}) == vector<f64>{3.5});
  CHECK(lanes<f64>("mul.f64 %d, %a0, %a1;", vector<f64>{1.5}, vector<f64>{2}) == vector<f64>{3});
}

TEST_CASE("fma rounds once") {
  const vector<f32> a{1 + 0x1p-12f}, c{-1 - 0x1p-11f};  // a² = 1 + 2⁻¹¹ + 2⁻²⁴
  CHECK(lanes<f32>("fma.rn.f32 %d, %a0, %a0, %a1;", a, c) == vector<f32>{0x1p-24f});
  CHECK(lanes<f32>("fma.rm.f32 %d, %a0, %a0, 0f00000000;", a) == vector<f32>{1 + 0x1p-11f});
  CHECK(lanes<f32>("fma.rp.f32 %d, %a0, %a0, 0f00000000;", a) == vector<f32>{1 + 0x1p-11f + 0x1p-23f});
  CHECK(lanes<f64>("fma.rn.f64 %d, %a0, %a0, %a1;", vector<f64>{1 + 0x1p-27}, vector<f64>{-1 - 0x1p-26}) ==
        vector<f64>{0x1p-54});
}

TEST_CASE("division, roots and what is approximate on a GPU") {
  CHECK(lanes<f32>("div.rn.f32 %d, %a0, %a1;", vector<f32>{1, 1, -1}, vector<f32>{3, 0, 0}) ==
        vector<f32>{1.0f / 3, infinity, -infinity});
  CHECK(lanes<f64>("div.rn.f64 %d, %a0, %a1;", vector<f64>{1}, vector<f64>{8}) == vector<f64>{0.125});
  CHECK(lanes<f32>("sqrt.rn.f32 %d, %a0;", vector<f32>{2, 9}) == vector<f32>{1.41421354f, 3});
  CHECK(lanes<f64>("sqrt.rn.f64 %d, %a0;", vector<f64>{2.25}) == vector<f64>{1.5});
  CHECK(lanes<f32>("rcp.rn.f32 %d, %a0;", vector<f32>{4, -0.5f}) == vector<f32>{0.25f, -2});
  CHECK(lanes<f64>("rcp.rn.f64 %d, %a0;", vector<f64>{4}) == vector<f64>{0.25});
  CHECK(lanes<f32>("rsqrt.approx.f32 %d, %a0;", vector<f32>{16}) == vector<f32>{0.25f});
  CHECK(lanes<f32>("ex2.approx.ftz.f32 %d, %a0;", vector<f32>{3, -1, -127}) ==
        vector<f32>{8, 0.5f, 0});  // subnormals are zero
  CHECK(lanes<f32>("ex2.approx.f32 %d, %a0;", vector<f32>{-127}) == vector<f32>{0x1p-127f});
  CHECK(lanes<f32>("lg2.approx.f32 %d, %a0;", vector<f32>{8, 0.25f}) == vector<f32>{3, -2});
  CHECK(lanes<f32>("tanh.approx.f32 %d, %a0;", vector<f32>{0, 40}) == vector<f32>{0, 1});
}

TEST_CASE("least and most of floats: a NaN gives the other, and minus zero is less than zero") {
  const vector<f32> a{1, not_a_number, 2, -0.0f}, b{2, 3, not_a_number, 0.0f};
  const vector<f32> least = lanes<f32>("min.f32 %d, %a0, %a1;", a, b), most = lanes<f32>("max.f32 %d, %a0, %a1;", a, b);
  CHECK(least == vector<f32>{1, 3, 2, -0.0f});
  CHECK(std::signbit(least[3]));
  CHECK(most == vector<f32>{2, 3, 2, 0.0f});
  CHECK_FALSE(std::signbit(most[3]));
  CHECK(lanes<f64>("max.f64 %d, %a0, %a1;", vector<f64>{-1}, vector<f64>{-2}) == vector<f64>{-1});
  CHECK(lanes<f32>("neg.f32 %d, %a0;", vector<f32>{1, -infinity}) == vector<f32>{-1, infinity});
  CHECK(lanes<f32>("abs.f32 %d, %a0;", vector<f32>{-1.5f, 2}) == vector<f32>{1.5f, 2});
  CHECK(lanes<f32>("copysign.f32 %d, %a0, %a1;", vector<f32>{-2, 3}, vector<f32>{5, -7}) == vector<f32>{-5, 7});
  CHECK(lanes<f64>("neg.f64 %d, %a0;", vector<f64>{1}) == vector<f64>{-1});
}

TEST_CASE("comparisons of floats: with a NaN only the unordered ones hold") {
  const vector<f32> a{1, 2, 2, not_a_number}, b{2, 1, 2, 1};
  const auto holds = [&](const std::string& c) {
    return lanes<u32>("setp." + c + ".f32 %p1, %a0, %a1;\nselp.u32 %d, 1, 0, %p1;", a, b);
  };
  CHECK(holds("lt") == vector<u32>{1, 0, 0, 0});
  CHECK(holds("le") == vector<u32>{1, 0, 1, 0});
  CHECK(holds("gt") == vector<u32>{0, 1, 0, 0});
  CHECK(holds("ge") == vector<u32>{0, 1, 1, 0});
  CHECK(holds("eq") == vector<u32>{0, 0, 1, 0});
  CHECK(holds("ne") == vector<u32>{1, 1, 0, 0});
  CHECK(holds("ltu") == vector<u32>{1, 0, 0, 1});
  CHECK(holds("leu") == vector<u32>{1, 0, 1, 1});
  CHECK(holds("gtu") == vector<u32>{0, 1, 0, 1});
  CHECK(holds("geu") == vector<u32>{0, 1, 1, 1});
  CHECK(holds("equ") == vector<u32>{0, 0, 1, 1});
  CHECK(holds("neu") == vector<u32>{1, 1, 0, 1});
  CHECK(holds("num") == vector<u32>{1, 1, 1, 0});
  CHECK(holds("nan") == vector<u32>{0, 0, 0, 1});
}
