// Branches, barriers, shuffles, votes, and the decoder's refusals.
#include <numeric>

#include "tests/ptx/support.h"

using namespace tessera::ptx;
using namespace tessera::ptx::test;
using std::vector;

namespace {

const vector<u32> numbers = [] {
  vector<u32> v(32);
  std::iota(v.begin(), v.end(), 0u);
  return v;
}();

template <class F>
vector<u32> each(F f) {
  vector<u32> v(32);
  for (u32 l = 0; l < 32; ++l) v[l] = f(l);
  return v;
}

std::string error_of(const std::string& body) { return decode(body).kernel().error; }

}  // namespace

TEST_CASE("lanes part, loop for different times, and meet again") {
  // d = sum of 0 … a − 1, a times round a loop; then all lanes meet in a barrier of the warp.
  CHECK(
      lanes<u32>("mov.u32 %d, 0;\nmov.u32 %t1, 0;\nsetp.eq.u32 %p1, %a0, 0;\n@%p1 bra $done;\n$loop:\nadd.s32 %d, %d, %t1;\n"
                 "add.s32 %t1, %t1, 1;\nsetp.lt.u32 %p2, %t1, %a0;\n@%p2 bra $loop;\n$done:\nbar.warp.sync "
                 "-1;\nactivemask.b32 %t2;\n"
                 "setp.ne.s32 %p3, %t2, -1;\n@%p3 mov.u32 %d, 99;",
                 numbers) == each([](u32 l) { return l * (l - (l > 0)) / 2; }));
  CHECK(lanes<u32>("mov.u32 %d, 1;\nst.global.b32 [%x0], %d;\nsetp.gt.u32 %p1, %a0, 15;\n@%p1 ret;\nmov.u32 %d, 2;",
                   numbers) == each([](u32 l) { return l > 15 ? 1u : 2u; }));
  CHECK(lanes<u32>("setp.lt.u32 %p1, %a0, 8;\n@!%p1 bra $other;\n{\n.reg .b32 %t7;\nmov.u32 %t7, 5;\nmov.u32 %d, "
                   "%t7;\n}\nbra.uni $end;\n$other:\n"
                   "mov.u32 %d, 6;\n$end:",
                   numbers) == each([](u32 l) { return l < 8 ? 5u : 6u; }));
}

TEST_CASE("special registers count threads and blocks") {
  Bench bench;
  const u64 out = bench.machine.memory.allocate(4 * 2 * 3 * 5 * 4);
  // thread (x, y) of (2, 3) in block x of 5: word ((block · 3) + y) · 2 + x
  bench.run(
      "mov.u32 %t1, %tid.y;\nmov.u32 %t2, %ctaid.x;\nmov.u32 %t3, %ntid.y;\nmad.lo.s32 %t4, %t2, %t3, %t1;\nmov.u32 %t5, "
      "%ntid.x;\n"
      "mad.lo.s32 %t4, %t4, %t5, %t0;\nmul.wide.u32 %x1, %t4, 4;\nadd.s64 %x0, %x0, %x1;\nmov.u32 %t6, "
      "%nctaid.x;\nmad.lo.s32 %t6, %t6, 100, %t4;\n"
      "st.global.u32 [%x0], %t6;",
      {out}, {2, 3, 1}, {5, 1, 1});
  const vector<u32> words = bench.download<u32>(out, 30);
  CHECK(words.front() == 500);
  CHECK(words.back() == 529);
}

TEST_CASE("barriers of a block join warps, in any order of them") {
  for (const unsigned order : {0u, 1u, 7u}) {
    Bench bench(Options{.order = order});
    const u64 out = bench.machine.memory.allocate(512);
    // each thread reads what its opposite wrote before the barrier; bar.red: did any thread, did all, exceed 100?
    bench.run(
        "mov.u32 %t1, dynamic;\nshl.b32 %t2, %t0, 2;\nadd.s32 %t3, %t1, %t2;\nst.shared.u32 [%t3], %t0;\nbar.sync "
        "0;\nsub.s32 %t4, 508, %t2;\n"
        "add.s32 %t4, %t4, %t1;\nld.shared.u32 %t5, [%t4];\nsetp.gt.u32 %p1, %t0, 100;\nbar.red.or.pred %p2, 0, "
        "%p1;\nbar.red.and.pred %p3, 0, %p1;\n"
        "@%p2 add.s32 %t5, %t5, 1000;\n@%p3 add.s32 %t5, %t5, 5000;\ncvt.u64.u32 %x1, %t2;\nadd.s64 %x0, %x0, "
        "%x1;\nst.global.u32 [%x0], %t5;",
        {out}, {128, 1, 1}, {}, 512);
    const vector<u32> read = bench.download<u32>(out, 128);
    CHECK(read[0] == 1127);
    CHECK(read[127] == 1000);
  }
}

TEST_CASE("shuffles") {
  const auto shuffle = [](const std::string& mode, const std::string& by, const std::string& clamp) {
    return lanes<u32>("shfl.sync." + mode + ".b32 %d|%p1, %a0, " + by + ", " + clamp + ", -1;\n@!%p1 add.s32 %d, %d, 100;",
                      numbers);
  };
  CHECK(shuffle("bfly", "1", "31") == each([](u32 l) { return l ^ 1; }));
  CHECK(shuffle("down", "4", "31") == each([](u32 l) { return l < 28 ? l + 4 : 100 + l; }));
  CHECK(shuffle("up", "4", "0") == each([](u32 l) { return l >= 4 ? l - 4 : 100 + l; }));
  CHECK(shuffle("idx", "3", "31") == each([](u32) { return 3u; }));
  CHECK(shuffle("idx", "3", "6175") == each([](u32 l) { return l / 8 * 8 + 3; }));  // segments of 8: 31 | 24 << 8
  CHECK(shuffle("down", "4", "6175") == each([](u32 l) { return l % 8 < 4 ? l + 4 : 100 + l; }));
}

TEST_CASE("votes") {
  const std::string odd = "and.b32 %t1, %a0, 1;\nsetp.eq.u32 %p1, %t1, 1;\n";
  CHECK(lanes<u32>(odd + "vote.sync.ballot.b32 %d, %p1, -1;", numbers) == each([](u32) { return 0xaaaaaaaau; }));
  CHECK(lanes<u32>(odd + "vote.sync.any.pred %p2, %p1, -1;\nselp.b32 %d, 1, 0, %p2;", numbers) ==
        each([](u32) { return 1u; }));
  CHECK(lanes<u32>(odd + "vote.sync.all.pred %p2, %p1, -1;\nselp.b32 %d, 1, 0, %p2;", numbers) ==
        each([](u32) { return 0u; }));
}

TEST_CASE("what would hang or be undefined is a fault") {
  const auto fault = [](const std::string& body) -> std::string {
    try {
      Bench().run(body, {});
    } catch (const Fault& f) {
      return f.what();
    }
    return "";
  };
  const std::string half = "setp.lt.u32 %p1, %t0, 16;\n@!%p1 bra $end;\n";
  CHECK_THAT(fault(half + "bar.warp.sync -1;\nret;\n$end:\nshfl.sync.idx.b32 %t1, %t0, 0, 31, -1;"),
             Catch::Contains("deadlock"));
  CHECK_THAT(fault("setp.lt.u32 %p1, %t0, 16;\n@%p1 ret;\nbar.warp.sync -1;"), Catch::Contains("exited"));
  CHECK_THAT(fault(half + "shfl.sync.idx.b32 %t1, %t0, 20, 31, 65535;\n$end:"), Catch::Contains("inactive lane"));
  CHECK_THAT(fault("not.b32 %t1, %t0;\nbar.warp.sync %t1;"), Catch::Contains("different sets"));
}

TEST_CASE("what the decoder does not know it refuses, by name") {
  CHECK(error_of("add.s32 %t1, %t0, 1;").empty());
  CHECK_THAT(error_of("add.sat.s32 %t1, %t0, 1;"),
             Catch::Contains("modifier .sat") && Catch::Contains("add.sat.s32 %t1, %t0, 1"));
  CHECK_THAT(error_of("frobnicate.b32 %t1, %t0;"), Catch::Contains("not known"));
  CHECK_THAT(error_of("add.s32 %t1, %t0;"), Catch::Contains("number of operands"));
  CHECK_THAT(error_of("add.s32 %t9, %t0, 1;"), Catch::Contains("%t9"));
  CHECK_THAT(error_of("add.s32 %t1, %x0, 1;"), Catch::Contains("another size"));
  CHECK_THAT(error_of("bra $nowhere;"), Catch::Contains("$nowhere"));
  CHECK_THAT(error_of("bar.sync 1;"), Catch::Contains("other than 0"));
  CHECK_THAT(error_of("setp.eq.u32 %p1, %t0, 1;\n@%p1 shfl.sync.idx.b32 %t1, %t0, 0, 31, -1;"),
             Catch::Contains("under a guard"));
  CHECK_THAT(error_of(".local .b8 memory[16];"), Catch::Contains(".local"));
  CHECK_FALSE(error_of("mul.f16 %t1, %t0, %t0;").empty());
  CHECK_FALSE(error_of("ld.const.u32 %t1, [%x0];").empty());
}
