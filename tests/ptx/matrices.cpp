// ldmatrix, mma and cp.async. Matrices are compared element by element, by the PTX ISA's figures of fragments.
#include <bit>
#include <cmath>

#include "tests/ptx/support.h"

using namespace tessera::ptx;
using namespace tessera::ptx::test;
using std::vector;

namespace {

u16 bf16(f32 x) { return static_cast<u16>(std::bit_cast<u32>(x) >> 16); }  // of values that need no rounding

// D of one mma on A [16][depth] and B [depth][8], C = 1000, through registers that are loaded by the figures.
vector<f32> multiply(const vector<f32>& a, const vector<f32>& b, int depth, const Options& options = {}) {
  const bool narrow = depth == 16;
  vector<u32> fa(32 * 4), fb(32 * 2);
  for (u32 lane = 0; lane < 32; ++lane) {
    const u32 group = lane / 4, in_group = lane % 4;
    const auto at = [&](u32 row, u32 column) { return a[row * static_cast<u32>(depth) + column]; };
    const auto bt = [&](u32 row, u32 column) { return b[row * 8 + column]; };
    for (u32 r = 0; r < 4; ++r) {
      const u32 row = group + (r % 2) * 8, column = in_group + (r / 2) * 4;
      fa[lane * 4 + r] =
          narrow ? u32{bf16(at(row, 2 * in_group + (r / 2) * 8))} | u32{bf16(at(row, 2 * in_group + 1 + (r / 2) * 8))} << 16
                 : std::bit_cast<u32>(at(row, column));
    }
    for (u32 r = 0; r < 2; ++r)
      fb[lane * 2 + r] = narrow ? u32{bf16(bt(2 * in_group + r * 8, group))} | u32{bf16(bt(2 * in_group + 1 + r * 8, group))}
                                                                                   << 16
                                : std::bit_cast<u32>(bt(in_group + r * 4, group));
  }
  Bench bench(options);
  const u64 ua = bench.upload(fa), ub = bench.upload(fb), ud = bench.machine.memory.allocate(512);
  bench.run(
      ".reg .b32 %a<4>, %b<2>;\n.reg .f32 %d<4>, %c;\nmul.wide.u32 %x5, %t0, 16;\nadd.s64 %x0, %x0, %x5;\nadd.s64 %x2, %x2, "
      "%x5;\n"
      "mul.wide.u32 %x5, %t0, 8;\nadd.s64 %x1, %x1, %x5;\nld.global.v4.b32 {%a0,%a1,%a2,%a3}, [%x0];\nld.global.v2.b32 "
      "{%b0,%b1}, [%x1];\n"
      "mov.f32 %c, 0f447A0000;\nmma.sync.aligned." +
          std::string(narrow ? "m16n8k16.row.col.f32.bf16.bf16.f32" : "m16n8k8.row.col.f32.tf32.tf32.f32") +
          " {%d0,%d1,%d2,%d3}, {%a0,%a1,%a2,%a3}, {%b0,%b1}, {%c,%c,%c,%c};\nst.global.v4.f32 [%x2], {%d0,%d1,%d2,%d3};",
      {ua, ub, ud});
  const vector<f32> fd = bench.download<f32>(ud, 128);
  vector<f32> d(128);
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 r = 0; r < 4; ++r) d[(lane / 4 + r / 2 * 8) * 8 + lane % 4 * 2 + r % 2] = fd[lane * 4 + r];
  return d;
}

}  // namespace

TEST_CASE("mma multiplies matrices of small integers exactly, bf16 and TF32") {
  for (const int depth : {16, 8}) {
    INFO("depth " << depth);
    const u32 k_count = static_cast<u32>(depth);
    vector<f32> a(16 * k_count), b(k_count * 8), expected(128);
    for (u32 i = 0; i < a.size(); ++i) a[i] = static_cast<f32>(i * 7 % 15) - 7;
    for (u32 i = 0; i < b.size(); ++i) b[i] = static_cast<f32>(i * 5 % 11) - 5;
    for (u32 row = 0; row < 16; ++row)
      for (u32 column = 0; column < 8; ++column) {
        f32 sum = 1000;
        for (u32 k = 0; k < k_count; ++k) sum += a[row * k_count + k] * b[k * 8 + column];
        expected[row * 8 + column] = sum;
      }
    CHECK(multiply(a, b, depth) == expected);
    CHECK(multiply(a, b, depth, Options{.truncating_mma = true}) == expected);
  }
}

TEST_CASE("mma in TF32 does not see the low bits; a tensor core that truncates loses what lies below") {
  vector<f32> a(16 * 8), b(8 * 8);
  a[0] = 1 + 0x1p-11f, b[0] = 1;  // row 0, column 0: 1 without the low bits
  CHECK(multiply(a, b, 8)[0] == 1001);
  vector<f32> wide(16 * 16), ones(16 * 8, 1);
  wide[0] = 0x1.4p-14f;  // five quarters of the last place of 1000
  CHECK(multiply(wide, ones, 16)[0] == 1000 + 0x1p-14f);
  CHECK(multiply(wide, ones, 16, Options{.truncating_mma = true})[0] == 1000 + 0x1p-14f);
  wide[0] = 0x1.8p-15f;                                   // three quarters
  CHECK(multiply(wide, ones, 16)[0] == 1000 + 0x1p-14f);  // rounded up
  CHECK(multiply(wide, ones, 16, Options{.truncating_mma = true})[0] == 1000);
}

TEST_CASE("ldmatrix hands out rows, and columns where it transposes") {
  vector<u16> rows(32 * 8);
  for (u32 i = 0; i < rows.size(); ++i) rows[i] = static_cast<u16>(i);  // element c of row r: 8 r + c
  for (const bool transposed : {false, true}) {
    Bench bench;
    const u64 in = bench.upload(rows), out = bench.machine.memory.allocate(512);
    bench.run(
        ".reg .b32 %v<4>;\nmul.wide.u32 %x5, %t0, 16;\nadd.s64 %x0, %x0, %x5;\nadd.s64 %x1, %x1, %x5;\nld.global.v4.b32 "
        "{%v0,%v1,%v2,%v3}, [%x0];\n"
        "mov.u32 %t1, dynamic;\nshl.b32 %t2, %t0, 4;\nadd.s32 %t1, %t1, %t2;\nst.shared.v4.b32 [%t1], "
        "{%v0,%v1,%v2,%v3};\nbar.sync 0;\n"
        "ldmatrix.sync.aligned.m8n8.x4" +
            std::string(transposed ? ".trans" : "") +
            ".shared.b16 {%v0,%v1,%v2,%v3}, [%t1];\nst.global.v4.b32 [%x1], {%v0,%v1,%v2,%v3};",
        {in, out}, {32, 1, 1}, {}, 512);
    const vector<u32> got = bench.download<u32>(out, 128);
    for (u32 lane = 0; lane < 32; ++lane)
      for (u32 m = 0; m < 4; ++m) {
        const u32 r = lane / 4, c = lane % 4 * 2;
        const u32 first = m * 64 + (transposed ? c * 8 + r : r * 8 + c),
                  second = m * 64 + (transposed ? (c + 1) * 8 + r : r * 8 + c + 1);
        CHECK(got[lane * 4 + m] == (first | second << 16));
      }
  }
}

TEST_CASE("cp.async lands at its wait, fills with zeros, and counts groups") {
  const std::string start =
      "shl.b32 %t1, %t0, 2;\ncvt.u64.u32 %x5, %t1;\nadd.s64 %x2, %x0, %x5;\nadd.s64 %x3, %x1, %x5;\nmov.u32 %t2, dynamic;\n"
      "add.s32 %t2, %t2, %t1;\nmov.u32 %t3, 7;\nst.shared.u32 [%t2], %t3;\nst.shared.u32 [%t2+128], %t3;\n"
      "setp.lt.u32 %p1, %t0, 4;\nselp.b32 %t4, 0, 4, %p1;\n";  // the first four lanes: no source bytes
  const auto run = [&](const std::string& body, const Options& options = {}) {
    Bench bench(options);
    vector<u32> values(64);
    for (u32 i = 0; i < 64; ++i) values[i] = 100 + i;
    const u64 in = bench.upload(values), out = bench.machine.memory.allocate(128);
    bench.run(start + body + "\nst.global.u32 [%x3], %t5;", {in, out}, {32, 1, 1}, {}, 512);
    vector<u32> result = bench.download<u32>(out, 32);
    result.push_back(static_cast<u32>(bench.machine.notes().size()));
    return result;
  };
  const std::string first = "cp.async.ca.shared.global [%t2], [%x2], 4, %t4;\ncp.async.commit_group;\n",
                    second = "cp.async.ca.shared.global [%t2+128], [%x2+128], 4;\ncp.async.commit_group;\n";
  vector<u32> got = run(first + "cp.async.wait_group 0;\nld.shared.u32 %t5, [%t2];");
  CHECK(got[3] == 0);
  CHECK(got[4] == 104);
  got = run(first + second + "cp.async.wait_group 1;\nld.shared.u32 %t5, [%t2];\ncp.async.wait_group 0;");
  CHECK(got[31] == 131);
  CHECK(got[32] == 0);  // notes
  CHECK(run(first + second + "cp.async.wait_group 1;\nld.shared.u32 %t5, [%t2+128];\ncp.async.wait_group 0;")[31] ==
        0xffffffff);  // too soon
  CHECK(run(first + second + "cp.async.wait_group 1;\nld.shared.u32 %t5, [%t2+128];\ncp.async.wait_group 0;",
            Options{.early_copies = true})[31] == 163);
  CHECK(run(first + "mov.u32 %t5, 0;")[32] == 1);  // the block ends before they have landed
}

TEST_CASE("cp.async checks its addresses") {
  const auto code = [](const std::string& copy) -> int {
    Bench bench;
    const u64 in = bench.upload(vector<u32>(32));
    try {
      bench.run("mov.u32 %t2, dynamic;\n" + copy + "\ncp.async.wait_group 0;", {in}, {1, 1, 1}, {}, 64);
    } catch (const Fault& f) {
      return f.code;
    }
    return 0;
  };
  CHECK(code("cp.async.cg.shared.global [%t2], [%x0+112], 16;") == 0);
  CHECK(code("cp.async.cg.shared.global [%t2], [%x0+128], 16;") == Fault::illegal_address);
  CHECK(code("cp.async.cg.shared.global [%t2+64], [%x0], 16;") == Fault::illegal_address);
  CHECK(code("cp.async.cg.shared.global [%t2+8], [%x0], 16;") == Fault::misaligned_address);
  CHECK(code("cp.async.ca.shared.global [%t2], [%x0+2], 4;") == Fault::misaligned_address);
  CHECK(code("cp.async.cg.shared.global [%t2], [%x0+4096], 16, 0;") == 0);  // nothing is read
}
