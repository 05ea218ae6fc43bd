// Loads, stores, atomics, and what is noticed of wrong ones.
#include <algorithm>
#include <numeric>

#include "tests/ptx/support.h"

using namespace tessera::ptx;
using namespace tessera::ptx::test;
using std::vector;

namespace {

vector<u32> counting(u32 n, u32 from = 0) {
  vector<u32> values(n);
  std::iota(values.begin(), values.end(), from);
  return values;
}
const std::string own_word = "shl.b32 %t1, %t0, 2;\ncvt.u64.u32 %x5, %t1;\nadd.s64 %x2, %x0, %x5;\nadd.s64 %x3, %x1, %x5;\n";

// The fault that a body ends in; 0: none.
int fault_of(const std::string& body, u32 bytes = 128, std::string* text = nullptr) {
  Bench bench;
  const u64 a = bench.upload(vector<char>(bytes)), b = bench.upload(vector<char>(128));
  try {
    bench.run(own_word + body, {a, b}, {32, 1, 1}, {}, 512);
  } catch (const Fault& fault) {
    if (text) *text = fault.what();
    return fault.code;
  }
  return 0;
}

}  // namespace

TEST_CASE("loads extend, vectors come in order, parameters and shared memory are read") {
  CHECK(lanes<i32>(".reg .b32 %r;\nld.global.s8 %d, [%x1+3];", vector<u32>{0x80001122}) == vector<i32>{-128});
  CHECK(lanes<u32>("ld.global.nc.u8 %d, [%x1];", vector<u32>{0x800011f2}) == vector<u32>{0xf2});
  Bench bench;
  const u64 in = bench.upload(counting(128)), out = bench.machine.memory.allocate(512);
  bench.run(
      ".reg .b32 %v<4>;\nmul.wide.u32 %x5, %t0, 16;\nadd.s64 %x2, %x0, %x5;\nadd.s64 %x3, %x1, %x5;\n"
      "ld.global.v4.u32 {%v0, %v1, %v2, %v3}, [%x2];\nst.global.v2.u32 [%x3], {%v3, %v2};\nst.global.v2.u32 [%x3+8], {%v1, "
      "%v0};",
      {in, out});
  const vector<u32> swapped = bench.download<u32>(out, 128);
  CHECK(vector<u32>(swapped.begin() + 4, swapped.begin() + 8) == vector<u32>{7, 6, 5, 4});

  const u64 reversed = bench.machine.memory.allocate(256);
  bench.run(own_word +
                ".shared .align 4 .b8 own[256];\nmov.u32 %t2, own;\nadd.s32 %t3, %t2, %t1;\nst.shared.u32 [%t3], "
                "%t0;\nbar.sync 0;\n"
                "sub.s32 %t4, 252, %t1;\nadd.s32 %t4, %t4, %t2;\nld.shared.u32 %t5, [%t4];\nst.global.u32 [%x3], %t5;",
            {in, reversed}, {64, 1, 1});
  vector<u32> expected = counting(64);
  std::reverse(expected.begin(), expected.end());
  CHECK(bench.download<u32>(reversed, 64) == expected);
}

TEST_CASE("generic addresses are of global or of shared memory") {
  Bench bench;
  const u64 out = bench.machine.memory.allocate(128);
  bench.run(own_word +
                "mov.u64 %x4, dynamic;\ncvta.shared.u64 %x4, %x4;\nadd.s64 %x4, %x4, %x5;\nst.u32 [%x4], %t1;\nld.u32 %t2, "
                "[%x4];\n"
                "st.u32 [%x2], %t2;",
            {out}, {32, 1, 1}, {}, 128);
  CHECK(bench.download<u32>(out, 3) == vector<u32>{0, 4, 8});
}

TEST_CASE("atomics take their turns and give the old value") {
  Bench bench;
  const auto run = [&](const std::string& instruction, u32 before) {
    const u64 cell = bench.upload(vector<u32>{before}), out = bench.upload(vector<u32>(32));
    bench.run(own_word + instruction + "\nst.global.u32 [%x3], %t7;", {cell, out});
    vector<u32> result = bench.download<u32>(out, 32);
    result.push_back(bench.download<u32>(cell, 1)[0]);
    return result;
  };
  CHECK(run("atom.global.add.u32 %t7, [%x0], 2;", 5) == [] {
    vector<u32> v(33);
    for (u32 i = 0; i < 33; ++i) v[i] = 5 + 2 * i;
    return v;
  }());
  CHECK(run("atom.global.exch.b32 %t7, [%x0], %t0;", 77).front() == 77);
  CHECK(run("atom.global.exch.b32 %t7, [%x0], %t0;", 77).back() == 31);
  CHECK(run("atom.global.cas.b32 %t7, [%x0], 3, 4;", 3) == [] {
    vector<u32> v(33, 4);
    v[0] = 3;
    return v;
  }());
  CHECK(run("atom.global.max.s32 %t7, [%x0], %t0;", static_cast<u32>(-1)).back() == 31);
  CHECK(run("atom.global.min.u32 %t7, [%x0], %t0;", 9).back() == 0);
  CHECK(run("atom.global.or.b32 %t7, [%x0], %t0;", 0).back() == 31);
  CHECK(run("atom.global.and.b32 %t7, [%x0], 6;", 12).back() == 4);
  const u64 sum = bench.upload(vector<f32>{0.5f});
  bench.run("mov.f32 %t1, 0f3F800000;\nred.global.add.f32 [%x0], %t1;", {sum});
  CHECK(bench.download<f32>(sum, 1)[0] == 32.5f);
}

TEST_CASE("wrong accesses are faults that say where") {
  std::string text;
  CHECK(fault_of("ld.global.u32 %t2, [%x2];") == 0);
  CHECK(fault_of("ld.global.u32 %t2, [%x2];", 124, &text) == Fault::illegal_address);
  CHECK_THAT(text, Catch::Contains("offset 124 of an allocation of 124") && Catch::Contains("thread (31,0,0)") &&
                       Catch::Contains("ld.global.u32 %t2, [%x2]"));
  CHECK(fault_of("st.global.u32 [%x2+2], %t0;") == Fault::misaligned_address);
  CHECK(fault_of("mov.u64 %x4, 64;\nld.global.u32 %t2, [%x4];", 128, &text) == Fault::illegal_address);
  CHECK_THAT(text, Catch::Contains("no allocation"));
  CHECK(fault_of("mov.u32 %t2, dynamic;\nadd.s32 %t2, %t2, %t1;\nst.shared.u32 [%t2+384], %t0;") == 0);
  CHECK(fault_of("mov.u32 %t2, dynamic;\nadd.s32 %t2, %t2, %t1;\nst.shared.u32 [%t2+388], %t0;", 128, &text) ==
        Fault::illegal_address);
  CHECK_THAT(text, Catch::Contains("offset 512 of 512"));
  CHECK(fault_of("setp.lt.u32 %p1, %t0, 31;\n@%p1 ld.global.u32 %t2, [%x2];", 124) == 0);  // the lane beyond is not active
}

TEST_CASE("reads of what nobody wrote, and races, are noted") {
  const auto notes = [](const Options& options, const std::string& body, Dim grid = {}) {
    Bench bench(options);
    const u64 fresh = bench.machine.memory.allocate(256), written = bench.upload(counting(64));
    bench.run(own_word + "mov.u32 %t2, dynamic;\nadd.s32 %t3, %t2, %t1;\n" + body, {fresh, written}, {64, 1, 1}, grid, 512);
    return bench.machine.notes().empty() ? std::string() : *bench.machine.notes().begin();
  };
  const Options uninitialised{.uninitialised = true}, shared{.shared_races = true}, global{.global_races = true};
  CHECK_THAT(notes(uninitialised, "ld.global.u32 %t4, [%x2];"), Catch::Contains("nobody wrote"));
  CHECK(notes(uninitialised, "ld.global.u32 %t4, [%x3];").empty());
  CHECK(notes(uninitialised, "st.global.u32 [%x2], %t0;\nld.global.u32 %t4, [%x2];").empty());

  const std::string neighbours = "ld.shared.u32 %t4, [%t3+4];";
  CHECK_THAT(notes(shared, "st.shared.u32 [%t3], %t0;\n" + neighbours), Catch::Contains("race in shared memory"));
  CHECK(notes(shared, "st.shared.u32 [%t3], %t0;\nbar.sync 0;\n" + neighbours).empty());
  CHECK(notes(shared, neighbours + "\n" + neighbours).empty());

  CHECK_THAT(notes(global, "st.global.u32 [%x1], %t0;"), Catch::Contains("race in global memory"));
  CHECK(notes(global, "st.global.u32 [%x3], %t0;").empty());
  CHECK_THAT(notes(global, "st.global.u32 [%x3], %t0;", {2, 1, 1}),
             Catch::Contains("block 0") && Catch::Contains("block 1"));
  CHECK_THAT(notes(global, "st.global.u32 [%x3], %t0;\nbar.sync 0;\nld.global.nc.u32 %t4, [%x3];"),
             Catch::Contains("a write"));
  CHECK(notes(global, "ld.global.u32 %t4, [%x1];", {2, 1, 1}).empty());
}
