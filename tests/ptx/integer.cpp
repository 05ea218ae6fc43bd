// Integer arithmetic, against values worked out by hand.
#include "tests/ptx/support.h"

using namespace tessera::ptx;
using namespace tessera::ptx::test;
using std::vector;

constexpr i32 least = -2147483647 - 1;

TEST_CASE("sums wrap round, signed and unsigned alike") {
  CHECK(lanes<u32>("add.s32 %d, %a0, %a1;", vector<u32>{1, 0xffffffff, 0x7fffffff}, vector<u32>{2, 1, 1}) ==
        vector<u32>{3, 0, 0x80000000});
  CHECK(lanes<u32>("sub.s32 %d, %a0, %a1;", vector<u32>{1, 0, 5}, vector<u32>{2, 1, 5}) ==
        vector<u32>{0xffffffff, 0xffffffff, 0});
  CHECK(lanes<u64>("add.s64 %d, %a0, %a1;", vector<u64>{~0ull, 1ull << 40}, vector<u64>{2, 1}) ==
        vector<u64>{1, (1ull << 40) + 1});
  CHECK(lanes<u16>("add.s16 %d, %a0, 1;", vector<u16>{0xffff, 41}) == vector<u16>{0, 42});
  CHECK(lanes<u64>("sub.s64 %d, %a0, 7;", vector<u64>{3}) == vector<u64>{static_cast<u64>(-4)});
}

TEST_CASE("products: low half, high half, both") {
  CHECK(lanes<u32>("mul.lo.s32 %d, %a0, %a1;", vector<i32>{-3, 65536}, vector<i32>{7, 65537}) ==
        vector<u32>{static_cast<u32>(-21), 65536});
  CHECK(lanes<u32>("mul.hi.u32 %d, %a0, %a1;", vector<u32>{0x80000000, 3}, vector<u32>{6, 5}) == vector<u32>{3, 0});
  CHECK(lanes<i32>("mul.hi.s32 %d, %a0, %a1;", vector<i32>{-1, least}, vector<i32>{1, 2}) == vector<i32>{-1, -1});
  CHECK(lanes<i64>("mul.wide.s32 %d, %a0, %a1;", vector<i32>{-2, 100000}, vector<i32>{3, 100000}) ==
        vector<i64>{-6, 10000000000});
  CHECK(lanes<u64>("mul.wide.u32 %d, %a0, 2;", vector<u32>{0xffffffff}) == vector<u64>{0x1fffffffe});
  CHECK(lanes<u32>("mul.wide.u16 %d, %a0, 16;", vector<u16>{0xffff}) == vector<u32>{0xffff0});
  CHECK(lanes<u64>("mul.lo.s64 %d, %a0, %a1;", vector<i64>{-5}, vector<i64>{1ll << 33}) ==
        vector<u64>{static_cast<u64>(-5 * (1ll << 33))});
  CHECK(lanes<u64>("mul.hi.u64 %d, %a0, %a1;", vector<u64>{1ull << 63}, vector<u64>{4}) == vector<u64>{2});
  CHECK(lanes<u32>("mad.lo.s32 %d, %a0, %a1, %a2;", vector<u32>{3}, vector<u32>{5}, vector<u32>{7}) == vector<u32>{22});
  CHECK(lanes<i64>("mad.wide.s32 %d, %a0, -4, %a1;", vector<i32>{3}, vector<i64>{1}) == vector<i64>{-11});
}

TEST_CASE("division truncates towards zero") {
  CHECK(lanes<i32>("div.s32 %d, %a0, %a1;", vector<i32>{7, -7, 7, least}, vector<i32>{2, 2, -2, -1}) ==
        vector<i32>{3, -3, -3, least});
  CHECK(lanes<i32>("rem.s32 %d, %a0, %a1;", vector<i32>{7, -7, 7, least}, vector<i32>{2, 2, -2, -1}) ==
        vector<i32>{1, -1, 1, 0});
  CHECK(lanes<u32>("div.u32 %d, %a0, %a1;", vector<u32>{0xfffffffe, 9}, vector<u32>{2, 0}) ==
        vector<u32>{0x7fffffff, 0xffffffff});
  CHECK(lanes<u32>("rem.u32 %d, %a0, 10;", vector<u32>{0xffffffff}) == vector<u32>{5});
  CHECK(lanes<i64>("div.s64 %d, %a0, %a1;", vector<i64>{-(1ll << 40)}, vector<i64>{1ll << 38}) == vector<i64>{-4});
  CHECK(lanes<u64>("rem.u64 %d, %a0, %a1;", vector<u64>{~0ull}, vector<u64>{1000}) == vector<u64>{615});
}

TEST_CASE("least, most, sign") {
  CHECK(lanes<i32>("min.s32 %d, %a0, %a1;", vector<i32>{-1, 5}, vector<i32>{1, 3}) == vector<i32>{-1, 3});
  CHECK(lanes<u32>("min.u32 %d, %a0, %a1;", vector<u32>{0xffffffff}, vector<u32>{1}) == vector<u32>{1});
  CHECK(lanes<i64>("max.s64 %d, %a0, %a1;", vector<i64>{-1}, vector<i64>{-2}) == vector<i64>{-1});
  CHECK(lanes<i32>("neg.s32 %d, %a0;", vector<i32>{5, least}) == vector<i32>{-5, least});
  CHECK(lanes<i64>("neg.s64 %d, %a0;", vector<i64>{-9}) == vector<i64>{9});
  CHECK(lanes<i32>("abs.s32 %d, %a0;", vector<i32>{-5, 5, least}) == vector<i32>{5, 5, least});
}
