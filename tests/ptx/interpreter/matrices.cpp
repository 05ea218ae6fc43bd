// Fragments as the PTX ISA's tables have them (9.7.14.5), written without a look at the kernels' own wrappers, so that one
// is a witness for the other.
#include "tests/ptx/interpreter/matrices.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tests/ptx/interpreter/access.h"

namespace tessera::ptx {
namespace {

// With .x4, threads 0 to 7 hold the addresses of the rows of matrix 0, 8 to 15 of matrix 1, …. Each thread gets, of each
// matrix, the two elements in row lane / 4 at column 2 (lane % 4); .trans: of the transposed matrix.
void load_matrices(Warp& w, const Instruction& i, bool transposed) {
  if (!converge(w, i, all_lanes)) return;
  u64 a[lane_count];
  addresses(w, i, i.at[4], a);
  const u32 rows = i.count * 8u;
  for (u32 l = rows; l < lane_count; ++l) a[l] = a[l % rows];
  const u64 distance = checked<Space::shared>(w, i, a, 16);
  for (u32 m = 0; m < i.count; ++m) {
    u16 e[8][8];
    for (u32 r = 0; r < 8; ++r) std::memcpy(e[r], reinterpret_cast<const void*>(a[m * 8 + r] + distance), 16);
    u32* const d = w.to<u32>(i.at[m]);
    TESSERA_PTX_LANES {
      const u32 r = l / 4, c = 2 * (l % 4);
      const u32 first = transposed ? e[c][r] : e[r][c], second = transposed ? e[c + 1][r] : e[r][c + 1];
      d[l] = first | second << 16;
    }
  }
  if (w.block->machine->options.shared_races) [[unlikely]]
    for (u32 l = 0; l < rows; ++l) note_shared_access(w, i, l, static_cast<u32>(a[l]) - shared_base, 16, false);
}

// How tensor cores are known to add (Fasi, Higham, Mikaitis and Pranesh, 2021): the addends of a group are aligned to the
// largest and truncated one bit below float's last place, and so is the result.
float truncated_sum(float c, const double* p, int n) {
  double largest = std::fabs(c);
  for (int k = 0; k < n; ++k) largest = std::max(largest, std::fabs(p[k]));
  if (!(largest > 0) || !std::isfinite(largest)) {
    double s = c;
    for (int k = 0; k < n; ++k) s += p[k];
    return static_cast<float>(s);
  }
  const int unit = std::ilogb(largest) - 24;
  const auto cut = [unit](double x) { return std::trunc(std::ldexp(x, -unit)); };
  double s = cut(c);
  for (int k = 0; k < n; ++k) s += cut(p[k]);
  s = std::ldexp(s, unit);
  const float f = static_cast<float>(s);
  return std::fabs(static_cast<double>(f)) > std::fabs(s) ? std::nextafterf(f, 0.0f) : f;
}

// D = A·B + C. Of C and D, c0 and c1 lie in row lane / 4, c2 and c3 eight rows below, in columns 2 (lane % 4) and + 1.
template <int depth>
void multiply(Warp& w, const Instruction& i, const float (&a)[16][depth], const float (&b)[depth][8]) {
  float* d[4];
  const float* c[4];
  for (int k = 0; k < 4; ++k) d[k] = w.to<float>(i.at[k]), c[k] = w.from<float>(i.at[10 + k]);
  const auto lane = [](int row, int column) { return row % 8 * 4 + column / 2; };
  const auto part = [](int row, int column) { return row / 8 * 2 + column % 2; };
  float out[16][8];
  for (int row = 0; row < 16; ++row) {
    if (w.block->machine->options.truncating_mma) {
      constexpr int group = depth / 2;
      for (int column = 0; column < 8; ++column) {
        float s = c[part(row, column)][lane(row, column)];
        for (int k = 0; k < depth; k += group) {
          double p[group];
          for (int j = 0; j < group; ++j) p[j] = static_cast<double>(a[row][k + j]) * b[k + j][column];
          s = truncated_sum(s, p, group);
        }
        out[row][column] = s;
      }
      continue;
    }
    double s[8] = {};
    for (int k = 0; k < depth; ++k)
      for (int column = 0; column < 8; ++column) s[column] += static_cast<double>(a[row][k]) * b[k][column];
    for (int column = 0; column < 8; ++column)
      out[row][column] = static_cast<float>(s[column] + c[part(row, column)][lane(row, column)]);
  }
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) d[part(row, column)][lane(row, column)] = out[row][column];
}

// The lower (e even) or upper bf16 of a register.
float bf16_half(u32 x, u32 e) { return std::bit_cast<float>(e & 1 ? x & 0xffff0000u : x << 16); }
float tf32_value(u32 x) { return std::bit_cast<float>(x & 0xffffe000u); }  // the low 13 bits do not count

}  // namespace

void run_ldmatrix(Warp& w, const Instruction& i) { load_matrices(w, i, false); }
void run_ldmatrix_transposed(Warp& w, const Instruction& i) { load_matrices(w, i, true); }

// Element e of A (0 … 7, in register e / 2): row lane / 4 for e in {0, 1, 4, 5}, else eight below; column 2 (lane % 4) +
// (e & 1), for e >= 4 eight to the right. Of B (0 … 3): row 2 (lane % 4) + (e & 1), for e >= 2 eight below; column lane / 4.
void run_mma_bf16(Warp& w, const Instruction& i) {
  if (!converge(w, i, all_lanes)) return;
  float a[16][16], b[16][8];
  for (u32 e = 0; e < 8; ++e) {
    const u32* const r = w.from<u32>(i.at[4 + e / 2]);
    TESSERA_PTX_LANES a[l / 4 + (e >> 1 & 1) * 8][l % 4 * 2 + (e & 1) + (e >= 4 ? 8 : 0)] = bf16_half(r[l], e);
  }
  for (u32 e = 0; e < 4; ++e) {
    const u32* const r = w.from<u32>(i.at[8 + e / 2]);
    TESSERA_PTX_LANES b[l % 4 * 2 + (e & 1) + (e >= 2 ? 8 : 0)][l / 4] = bf16_half(r[l], e);
  }
  multiply<16>(w, i, a, b);
}

// Element e of A (0 … 3): row lane / 4, eight below for odd e; column lane % 4, four to the right for e >= 2. Of B (0, 1):
// row lane % 4 + 4 e, column lane / 4.
void run_mma_tf32(Warp& w, const Instruction& i) {
  if (!converge(w, i, all_lanes)) return;
  float a[16][8], b[8][8];
  for (u32 e = 0; e < 4; ++e) {
    const u32* const r = w.from<u32>(i.at[4 + e]);
    TESSERA_PTX_LANES a[l / 4 + (e & 1) * 8][l % 4 + (e >> 1) * 4] = tf32_value(r[l]);
  }
  for (u32 e = 0; e < 2; ++e) {
    const u32* const r = w.from<u32>(i.at[8 + e]);
    TESSERA_PTX_LANES b[l % 4 + e * 4][l / 4] = tf32_value(r[l]);
  }
  multiply<8>(w, i, a, b);
}

}  // namespace tessera::ptx
