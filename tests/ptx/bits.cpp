// Logic, shifts, comparisons of integers, conversions, moves: against values worked out by hand.
#include <limits>

#include "tests/ptx/support.h"

using namespace tessera::ptx;
using namespace tessera::ptx::test;
using std::vector;

TEST_CASE("logic and shifts") {
  CHECK(lanes<u32>("and.b32 %d, %a0, %a1;", vector<u32>{0b1100}, vector<u32>{0b1010}) == vector<u32>{0b1000});
  CHECK(lanes<u32>("or.b32 %d, %a0, %a1;", vector<u32>{0b1100}, vector<u32>{0b1010}) == vector<u32>{0b1110});
  CHECK(lanes<u32>("xor.b32 %d, %a0, %a1;", vector<u32>{0b1100}, vector<u32>{0b1010}) == vector<u32>{0b0110});
  CHECK(lanes<u64>("not.b64 %d, %a0;", vector<u64>{5}) == vector<u64>{~u64{5}});
  CHECK(lanes<u16>("and.b16 %d, %a0, 255;", vector<u16>{0x1234}) == vector<u16>{0x34});
  CHECK(lanes<u32>("shl.b32 %d, %a0, %a1;", vector<u32>{3, 3, 3}, vector<u32>{4, 31, 32}) == vector<u32>{48, 0x80000000, 0});
  CHECK(lanes<u32>("shr.u32 %d, %a0, %a1;", vector<u32>{0x80000000, 7}, vector<u32>{31, 40}) == vector<u32>{1, 0});
  CHECK(lanes<i32>("shr.s32 %d, %a0, %a1;", vector<i32>{-8, -8}, vector<u32>{1, 99}) == vector<i32>{-4, -1});
  CHECK(lanes<i64>("shr.s64 %d, %a0, 63;", vector<i64>{-8, 8}) == vector<i64>{-1, 0});
  CHECK(lanes<u32>("shf.l.wrap.b32 %d, %a0, %a1, 8;", vector<u32>{0xaabbccdd}, vector<u32>{0x11223344}) ==
        vector<u32>{0x223344aa});
  CHECK(lanes<u32>("shf.r.wrap.b32 %d, %a0, %a1, 8;", vector<u32>{0xaabbccdd}, vector<u32>{0x11223344}) ==
        vector<u32>{0x44aabbcc});
  CHECK(lanes<u32>("prmt.b32 %d, %a0, %a1, 30292U;", vector<u32>{0x33221100}, vector<u32>{0x77665544}) ==
        vector<u32>{0x77665544});
  CHECK(lanes<u32>("prmt.b32 %d, %a0, %a1, 0x9410;", vector<u32>{0x00008011}, vector<u32>{0x99}) == vector<u32>{0xff998011});
  CHECK(lanes<u32>("bfe.u32 %d, %a0, 4, 8;", vector<u32>{0x12345678}) == vector<u32>{0x67});
  CHECK(lanes<u32>("bfi.b32 %d, %a0, %a1, 8, 12;", vector<u32>{0xffffffff}, vector<u32>{0x12345678}) ==
        vector<u32>{0x123fff78});
  CHECK(lanes<u32>("bfi.b32 %d, %a0, %a1, 6, 26;", vector<u32>{0x3}, vector<u32>{0xff}) == vector<u32>{0xff});
  CHECK(lanes<u32>("bfi.b32 %d, %a0, %a1, 6, 26;", vector<u32>{0x5}, vector<u32>{0x3f}) == vector<u32>{0x17f});
  CHECK(lanes<u32>("popc.b32 %d, %a0;", vector<u32>{0xf0f1}) == vector<u32>{9});
  CHECK(lanes<u32>("clz.b32 %d, %a0;", vector<u32>{0x00010000, 0}) == vector<u32>{15, 32});
  CHECK(lanes<u32>("brev.b32 %d, %a0;", vector<u32>{0x80000002}) == vector<u32>{0x40000001});
}

TEST_CASE("comparisons of integers, predicates, selection") {
  const vector<u32> a{1, 5, 0xffffffff}, b{5, 5, 1};
  const auto holds = [&](const std::string& c) {
    return lanes<u32>("setp." + c + " %p1, %a0, %a1;\nselp.u32 %d, 1, 0, %p1;", a, b);
  };
  CHECK(holds("lt.s32") == vector<u32>{1, 0, 1});
  CHECK(holds("lt.u32") == vector<u32>{1, 0, 0});
  CHECK(holds("le.s32") == vector<u32>{1, 1, 1});
  CHECK(holds("gt.u32") == vector<u32>{0, 0, 1});
  CHECK(holds("ge.s32") == vector<u32>{0, 1, 0});
  CHECK(holds("eq.b32") == vector<u32>{0, 1, 0});
  CHECK(holds("ne.s32") == vector<u32>{1, 0, 1});
  const std::string both = "setp.lt.u32 %p1|%p2, %a0, %a1;\nsetp.eq.u32 %p3, %a0, %a1;\n";
  CHECK(lanes<u32>(both + "selp.u32 %d, 7, 8, %p2;", a, b) == vector<u32>{8, 7, 7});
  CHECK(lanes<u32>(both + "or.pred %p4, %p1, %p3;\nselp.u32 %d, 1, 0, %p4;", a, b) == vector<u32>{1, 1, 0});
  CHECK(lanes<u32>(both + "and.pred %p4, %p2, %p3;\nselp.u32 %d, 1, 0, %p4;", a, b) == vector<u32>{0, 1, 0});
  CHECK(lanes<u32>(both + "xor.pred %p4, %p2, %p3;\nnot.pred %p5, %p4;\nselp.u32 %d, 1, 0, %p5;", a, b) ==
        vector<u32>{1, 1, 0});
  CHECK(lanes<u32>(both + "mov.u32 %d, 3;\n@%p1 mov.u32 %d, 4;\n@!%p2 add.s32 %d, %d, 10;", a, b) == vector<u32>{14, 3, 3});
}

TEST_CASE("conversions of integers extend and narrow") {
  CHECK(lanes<i64>("cvt.s64.s32 %d, %a0;", vector<i32>{-5}) == vector<i64>{-5});
  CHECK(lanes<u64>("cvt.u64.u32 %d, %a0;", vector<u32>{0xffffffff}) == vector<u64>{0xffffffff});
  CHECK(lanes<u32>("cvt.u32.u64 %d, %a0;", vector<u64>{0x1234567890}) == vector<u32>{0x34567890});
  CHECK(lanes<i32>("cvt.s32.s8 %d, %a0;", vector<u32>{0x180, 0x7f}) == vector<i32>{-128, 127});
  CHECK(lanes<u32>("cvt.u32.u16 %d, %a0;", vector<u16>{0xffff}) == vector<u32>{0xffff});
  CHECK(lanes<u16>("cvt.u16.u32 %d, %a0;", vector<u32>{0x12345}) == vector<u16>{0x2345});
  CHECK(lanes<u32>("cvt.u8.u32 %d, %a0;", vector<u32>{0x1ff}) == vector<u32>{0xff});
}

TEST_CASE("conversions of floats round, and saturate") {
  CHECK(lanes<f32>("cvt.rn.f32.s32 %d, %a0;", vector<i32>{-7, 16777217}) == vector<f32>{-7, 16777216});
  CHECK(lanes<f32>("cvt.rn.f32.u32 %d, %a0;", vector<u32>{0xffffffff}) == vector<f32>{4294967296.0f});
  CHECK(lanes<f64>("cvt.rn.f64.s64 %d, %a0;", vector<i64>{-3}) == vector<f64>{-3});
  CHECK(lanes<i32>("cvt.rzi.s32.f32 %d, %a0;", vector<f32>{-1.7f, 1e20f, std::numeric_limits<f32>::quiet_NaN()}) ==
        vector<i32>{-1, 2147483647, 0});
  CHECK(lanes<i32>("cvt.rni.s32.f32 %d, %a0;", vector<f32>{2.5f, 3.5f}) == vector<i32>{2, 4});
  CHECK(lanes<i32>("cvt.rmi.s32.f32 %d, %a0;", vector<f32>{-1.2f}) == vector<i32>{-2});
  CHECK(lanes<i32>("cvt.rpi.s32.f32 %d, %a0;", vector<f32>{1.2f}) == vector<i32>{2});
  CHECK(lanes<f32>("cvt.rmi.f32.f32 %d, %a0;", vector<f32>{-1.2f}) == vector<f32>{-2});
  CHECK(lanes<f32>("cvt.sat.f32.f32 %d, %a0;", vector<f32>{-1, 0.25f, 7, std::numeric_limits<f32>::quiet_NaN()}) ==
        vector<f32>{0, 0.25f, 1, 0});
  CHECK(lanes<f32>("cvt.rn.f32.f64 %d, %a0;", vector<f64>{0.1}) == vector<f32>{0.1f});
  CHECK(lanes<f64>("cvt.f64.f32 %d, %a0;", vector<f32>{0.5f}) == vector<f64>{0.5});
}

TEST_CASE("bf16 rounds to even, TF32 away from zero") {
  const vector<f32> x{1, 1 + 0x1p-8f, 1 + 0x3p-8f, -3.4e38f, std::numeric_limits<f32>::quiet_NaN()};
  CHECK(lanes<u16>("cvt.rn.bf16.f32 %d, %a0;", x) == vector<u16>{0x3f80, 0x3f80, 0x3f82, 0xff80, 0x7fff});
  CHECK(lanes<u32>("cvt.rn.bf16x2.f32 %d, %a0, %a1;", vector<f32>{2}, vector<f32>{1}) == vector<u32>{0x40003f80});
  vector<u32> tf32 = lanes<u32>("cvt.rna.tf32.f32 %d, %a0;", vector<f32>{1 + 0x1p-11f, -1 - 0x1p-12f});
  for (u32& v : tf32) v &= ~0x1fffu;  // the rest means nothing
  CHECK(tf32 == vector<u32>{0x3f802000, 0xbf800000});
}

TEST_CASE("moves pack and unpack, first element lowest") {
  CHECK(lanes<u32>("mov.u32 %d, %a0;", vector<u32>{9}) == vector<u32>{9});
  CHECK(lanes<u32>("mov.b32 %d, {%a0, %a1};", vector<u16>{0x1111}, vector<u16>{0x2222}) == vector<u32>{0x22221111});
  CHECK(lanes<u64>("mov.b64 %d, {%a0, %a1};", vector<u32>{1}, vector<u32>{2}) == vector<u64>{0x200000001});
  CHECK(lanes<u16>(".reg .b16 %low;\nmov.b32 {%low, %d}, %a0;", vector<u32>{0x22221111}) == vector<u16>{0x2222});
  CHECK(lanes<u32>("mov.b64 {%d, %t1}, %a0;", vector<u64>{0x200000001}) == vector<u32>{1});
  CHECK(lanes<u32>("mov.b64 {_, %d}, %a0;", vector<u64>{0x200000001}) == vector<u32>{2});
  CHECK(lanes<u32>("setp.eq.u32 %p1, %a0, 1;\nmov.pred %p2, %p1;\nselp.b32 %d, 5, 6, %p2;", vector<u32>{1, 2}) ==
        vector<u32>{5, 6});
}
