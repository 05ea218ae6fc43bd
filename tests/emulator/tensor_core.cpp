// The emulated bodies of the tensor-core and asynchronous-copy wrappers against double, and what they refuse.
//
// Operands of small integers make every sum exact: a fragment that lies elsewhere than the tables in tensor_core.h say is
// then a wrong integer, not a rounding.
#include "kernels/cuda/tensor_core.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/cuda/async_copy.h"
#include "kernels/philox.h"
#include "tests/catch.h"
#include "tests/emulator/scan.h"

namespace tessera::kernels::emulated {
namespace {

using tests::DeviceArray;

// D = A·B by one warp; A is [16][16], B is [16][8], or transposed [8][16]. Both go to shared memory and come by ldmatrix.
template <bool transposed>
__global__ void __launch_bounds__(32) bf16_by_ldmatrix(const bf16* a, const bf16* b, float* d) {
  __shared__ __align__(16) bf16 as[16][16];
  __shared__ __align__(16) bf16 bs[16][8];
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  cp_async16(&as[0][0] + lane * 8, a + lane * 8, true);
  if (lane < 16) cp_async16(&bs[0][0] + lane * 8, b + lane * 8, true);
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  unsigned fragment_a[4], fragment_b[4];
  ldmatrix_x4(fragment_a, &as[lane % 16][lane / 16 * 8]);
  // Two matrices hold all of B: the other two addresses are given again.
  const bf16* const b_rows = &bs[0][0];
  if (transposed) {
    ldmatrix_x4(fragment_b, b_rows + lane % 8 * 16 + lane / 8 % 2 * 8);
  } else {
    ldmatrix_x4_trans(fragment_b, b_rows + lane % 16 * 8);
  }
  float sum[4] = {0, 0, 0, 0};
  mma_m16n8k16_bf16(sum, fragment_a, {fragment_b[0], fragment_b[1]});
  d[g * 8 + 2 * t] = sum[0];
  d[g * 8 + 2 * t + 1] = sum[1];
  d[(g + 8) * 8 + 2 * t] = sum[2];
  d[(g + 8) * 8 + 2 * t + 1] = sum[3];
}

// D += A·B; fragments gathered by hand, element by element as the PTX ISA numbers them.
__global__ void __launch_bounds__(32) bf16_by_hand(const bf16* a, const bf16* b, float* d) {
  const int lane = static_cast<int>(threadIdx.x), group = lane >> 2, in_group = lane % 4;
  unsigned fragment_a[4] = {}, fragment_b[2] = {};
  for (int i = 0; i < 8; ++i) {
    const int row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
    const int column = in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0);
    fragment_a[i / 2] |= static_cast<unsigned>(a[row * 16 + column].bits) << i % 2 * 16;
  }
  for (int i = 0; i < 4; ++i) {
    const int row = in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0);
    fragment_b[i / 2] |= static_cast<unsigned>(b[row * 8 + group].bits) << i % 2 * 16;
  }
  float sum[4];
  for (int i = 0; i < 4; ++i) sum[i] = d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)];
  mma_m16n8k16_bf16(sum, fragment_a, fragment_b);
  for (int i = 0; i < 4; ++i) d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)] = sum[i];
}

// The same for tf32: A is [16][8], B is [8][8]. `dirty` bits are set in every operand's low 13.
__global__ void __launch_bounds__(32) tf32_by_hand(const float* a, const float* b, float* d, unsigned dirty) {
  const int lane = static_cast<int>(threadIdx.x), group = lane >> 2, in_group = lane % 4;
  unsigned fragment_a[4], fragment_b[2];
  for (int i = 0; i < 4; ++i) {
    const int row = i == 0 || i == 2 ? group : group + 8, column = i < 2 ? in_group : in_group + 4;
    fragment_a[i] = to_tf32(a[row * 8 + column]) | dirty;
  }
  for (int i = 0; i < 2; ++i) fragment_b[i] = to_tf32(b[(i == 0 ? in_group : in_group + 4) * 8 + group]) | dirty;
  float sum[4];
  for (int i = 0; i < 4; ++i) sum[i] = d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)];
  mma_m16n8k8_tf32(sum, fragment_a, fragment_b);
  for (int i = 0; i < 4; ++i) d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)] = sum[i];
}

// 32 words by 16-byte and by 4-byte copies, of which every third is invalid.
__global__ void __launch_bounds__(32) copies(const float* x, float* y) {
  __shared__ __align__(16) float wide[128];
  __shared__ __align__(16) float narrow[32];
  const int t = static_cast<int>(threadIdx.x);
  cp_async16(wide + t * 4, x + t * 4, t % 3 != 2);
  cp_async_commit();
  cp_async4(narrow + t, x + t, t % 3 != 2);
  cp_async_commit();
  cp_async_wait<1>();
  __syncwarp();
  for (int i = t; i < 128; i += 32) y[i] = wide[i];
  cp_async_wait<0>();
  __syncwarp();
  y[128 + t] = narrow[(t + 1) % 32];
}

enum class Misuse { nothing, source_alignment, target_alignment, source_bounds, source_shared, target_global, unfinished };

template <Misuse misuse>
__global__ void __launch_bounds__(32) misused_copy(float* x) {
  DYNAMIC_SHARED(float, tile);
  const int t = static_cast<int>(threadIdx.x);
  float* target = tile + t * 4;
  const float* source = x + t * 4;
  if (misuse == Misuse::source_alignment && t == 7) source += 1;
  if (misuse == Misuse::target_alignment && t == 7) target += 1;
  if (misuse == Misuse::source_bounds) source += 4;
  if (misuse == Misuse::source_shared) source = tile;
  if (misuse == Misuse::target_global) target = x + t * 4;
  cp_async16(target, source, true);
  cp_async_commit();
  if (misuse != Misuse::unfinished) cp_async_wait<0>();
}

template <Misuse misuse>
std::string fault_of_copy() {
  const auto finding = tests::scan([](Stream& stream) {
    DeviceArray<float> x(tests::ramp(128));
    launch(misused_copy<misuse>, 1, 32, 512, stream, x.data());
    return x.values();
  });
  return finding ? finding->fault : "";
}

// An ldmatrix row that is misaligned or in device memory, by half a warp, by a block of less than a warp.
enum class Ldmatrix { good, misaligned, global, divergent };
template <Ldmatrix use>
__global__ void ldmatrix_use(float* x) {
  __shared__ __align__(16) std::uint16_t rows[33][8];
  const int t = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) rows[t][i] = 0;
  __syncthreads();
  unsigned r[4] = {};
  const void* row = use == Ldmatrix::global ? static_cast<const void*>(x + t * 4) : rows[t];
  if (use == Ldmatrix::misaligned) row = &rows[t][1];
  if (use != Ldmatrix::divergent || t < 16) ldmatrix_x4(r, row);
  x[t] = static_cast<float>(r[0]);
}
template <Ldmatrix use>
std::string fault_of_ldmatrix(unsigned threads = 32) {
  const auto finding = tests::scan([threads](Stream& stream) {
    DeviceArray<float> x(128);
    launch(ldmatrix_use<use>, 1, threads, 0, stream, x.data());
    return x.values();
  });
  return finding ? finding->fault : "";
}

// The n values that follow `stream` in Philox: small integers, or reals of magnitude about 1.
std::vector<float> draws(std::size_t n, std::uint32_t stream, bool integers) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    const float u = to_unit(philox(11, Purpose::test, stream, i).v[0]);
    values[i] = integers ? std::floor(u * 15) - 7 : u * 4 - 2;
  }
  return values;
}
std::vector<bf16> rounded(const std::vector<float>& values) {
  std::vector<bf16> result;
  for (float v : values) result.push_back(to_bf16(v));
  return result;
}
float rounded_tf32(float x) { return __uint_as_float(to_tf32(x)); }

// c + a·b in double, a [16][k], b [k][8].
template <class A, class B>
std::vector<double> product(const std::vector<float>& c, std::size_t depth, A a, B b) {
  std::vector<double> d(c.begin(), c.end());
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 8; ++j)
      for (std::size_t k = 0; k < depth; ++k) d[i * 8 + j] += static_cast<double>(a(i, k)) * static_cast<double>(b(k, j));
  return d;
}
double worst(const std::vector<float>& got, const std::vector<double>& expected) {
  double difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i)
    difference = std::max(difference, std::abs(static_cast<double>(got[i]) - expected[i]));
  return difference;
}

Stream new_stream() { return {emulated_backend(), 0, {}}; }

}  // namespace

TEST_CASE("mma_m16n8k16_bf16 multiplies what ldmatrix loads") {
  Stream stream = new_stream();
  const std::vector<bf16> a = rounded(draws(256, 1, true)), b = rounded(draws(128, 2, true));
  std::vector<bf16> b_transposed(128);
  for (std::size_t k = 0; k < 16; ++k)
    for (std::size_t j = 0; j < 8; ++j) b_transposed[j * 16 + k] = b[k * 8 + j];
  const auto expected = product(
      std::vector<float>(128), 16, [&](std::size_t i, std::size_t k) { return to_float(a[i * 16 + k]); },
      [&](std::size_t k, std::size_t j) { return to_float(b[k * 8 + j]); });
  DeviceArray<bf16> da(a), db(b), dbt(b_transposed);
  DeviceArray<float> d(128);
  launch(bf16_by_ldmatrix<false>, 1, 32, 0, stream, da.data(), db.data(), d.data());
  CHECK(worst(d.values(), expected) == 0);
  DeviceArray<float> e(128);
  launch(bf16_by_ldmatrix<true>, 1, 32, 0, stream, da.data(), dbt.data(), e.data());
  CHECK(worst(e.values(), expected) == 0);
}

TEST_CASE("fragments lie in the lanes as the PTX ISA says") {
  Stream stream = new_stream();
  for (const bool integers : {true, false}) {
    const double tolerance = integers ? 0 : 16 * 4 * 0x1p-24 * 8;  // 16 terms up to 4, each rounded once, and d
    INFO((integers ? "integers" : "reals"));
    const std::vector<float> a = draws(256, 3, integers), b = draws(128, 4, integers), c = draws(128, 5, integers);
    const std::vector<bf16> a16 = rounded(a), b16 = rounded(b);
    DeviceArray<bf16> da(a16), db(b16);
    DeviceArray<float> d(c);
    launch(bf16_by_hand, 1, 32, 0, stream, da.data(), db.data(), d.data());
    CHECK(worst(d.values(), product(
                                c, 16, [&](std::size_t i, std::size_t k) { return to_float(a16[i * 16 + k]); },
                                [&](std::size_t k, std::size_t j) { return to_float(b16[k * 8 + j]); })) <= tolerance);
    for (const unsigned dirty : {0u, 0x1fffu}) {
      DeviceArray<float> fa(a), fb(b), e(c);
      launch(tf32_by_hand, 1, 32, 0, stream, fa.data(), fb.data(), e.data(), dirty);
      CHECK(worst(e.values(), product(
                                  c, 8, [&](std::size_t i, std::size_t k) { return rounded_tf32(a[i * 8 + k]); },
                                  [&](std::size_t k, std::size_t j) { return rounded_tf32(b[k * 8 + j]); })) <= tolerance);
    }
  }
}

TEST_CASE("tf32 rounds to nearest, ties away from zero") {
  const auto bits = [](float x) { return to_tf32(x); };
  CHECK(bits(1.0f) == 0x3f800000u);
  CHECK(rounded_tf32(1.0f + 0x1p-10f) == 1.0f + 0x1p-10f);
  CHECK(rounded_tf32(1.0f + 0x1p-11f) == 1.0f + 0x1p-10f);    // a tie
  CHECK(rounded_tf32(-1.0f - 0x1p-11f) == -1.0f - 0x1p-10f);  // a tie
  CHECK(rounded_tf32(1.0f + 0x1p-12f) == 1.0f);
  CHECK(rounded_tf32(-0.0f) == 0.0f);
  CHECK(bits(INFINITY) == 0x7f800000u);
  CHECK(std::isnan(rounded_tf32(NAN)));
  for (float x : draws(100, 6, false)) CHECK(std::abs(rounded_tf32(x) - x) <= std::abs(x) * 0x1p-11f);
}

TEST_CASE("asynchronous copies copy, write zeros where invalid, and agree under every schedule") {
  const tests::Run run = [](Stream& stream) {
    DeviceArray<float> x(tests::ramp(128)), y(160);
    launch(copies, 1, 32, 0, stream, x.data(), y.data());
    return y.values();
  };
  CHECK_FALSE(tests::scan(run));
  Stream stream = new_stream();
  const std::vector<float> x = tests::ramp(128), y = run(stream);
  for (std::size_t i = 0; i < 128; ++i) CHECK(y[i] == (i / 4 % 3 == 2 ? 0 : x[i]));
  for (std::size_t i = 0; i < 32; ++i) CHECK(y[128 + i] == ((i + 1) % 32 % 3 == 2 ? 0 : x[(i + 1) % 32]));
}

TEST_CASE("misused asynchronous copies are reported") {
  CHECK(fault_of_copy<Misuse::nothing>() == "");
  CHECK_THAT(fault_of_copy<Misuse::source_alignment>(),
             Catch::Contains("source of an asynchronous copy is not aligned") && Catch::Contains("tensor_core.cpp:"));
  CHECK_THAT(fault_of_copy<Misuse::target_alignment>(), Catch::Contains("in shared memory that is not aligned"));
  CHECK_THAT(fault_of_copy<Misuse::source_bounds>(), Catch::Contains("not inside device memory"));
  CHECK_THAT(fault_of_copy<Misuse::source_shared>(), Catch::Contains("not inside device memory"));
  CHECK_THAT(fault_of_copy<Misuse::target_global>(), Catch::Contains("shared memory is needed"));
  CHECK_THAT(fault_of_copy<Misuse::unfinished>(), Catch::Contains("before it has waited for all"));
}

TEST_CASE("misused ldmatrix is reported") {
  CHECK(fault_of_ldmatrix<Ldmatrix::good>() == "");
  CHECK_THAT(fault_of_ldmatrix<Ldmatrix::misaligned>(), Catch::Contains("not aligned"));
  CHECK_THAT(fault_of_ldmatrix<Ldmatrix::global>(), Catch::Contains("shared memory is needed"));
  CHECK_THAT(fault_of_ldmatrix<Ldmatrix::divergent>(), Catch::Contains("threads 0..15: wait in ldmatrix_x4"));
  CHECK_THAT(fault_of_ldmatrix<Ldmatrix::good>(24), Catch::Contains("needs a whole warp"));
}

}  // namespace tessera::kernels::emulated
