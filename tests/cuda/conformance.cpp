// The emulated bodies of the instruction wrappers against a real GPU: random fragments through both. What moves data must
// agree bit for bit; so must sums of small integers, which are exact; sums of reals within a GPU's rounding. Skipped, and
// said so, where there is no GPU.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <vector>

#include "kernels/backends.h"
#include "kernels/bf16.h"
#include "kernels/philox.h"
#include "tests/catch.h"
#include "tests/cuda/fragments.h"

using namespace tessera::kernels;
namespace {

struct Side {
  const Backend* backend;
  const Wrappers* wrappers;
};

// Memory of one side's device.
template <class T>
class Array {
 public:
  Array(const Side& side, const std::vector<T>& values) : runtime_(side.backend->runtime), count_(values.size()) {
    data_ = static_cast<T*>(runtime_.allocate(0, count_ * sizeof(T)));
    Stream stream(*side.backend, 0, {});
    runtime_.copy(stream.native, data_, values.data(), count_ * sizeof(T), Copy::host_to_device);
    runtime_.synchronize(stream.native);
  }
  ~Array() { runtime_.release(0, data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  T* data() { return data_; }
  std::vector<T> values(Stream& stream) {
    std::vector<T> host(count_);
    runtime_.copy(stream.native, host.data(), data_, count_ * sizeof(T), Copy::device_to_host);
    runtime_.synchronize(stream.native);
    return host;
  }

 private:
  const Runtime& runtime_;
  std::size_t count_;
  T* data_;
};

Random4 draw(std::uint64_t stream, std::size_t i) { return philox(5, Purpose::test, stream, i); }

// n reals of magnitude about 1, or integers from −7 to 7.
std::vector<float> draws(std::size_t n, std::uint64_t stream, bool integers) {
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    const float u = to_unit(draw(stream, i).v[0]);
    values[i] = integers ? std::floor(u * 15) - 7 : u * 4 - 2;
  }
  return values;
}
unsigned bits(float x) { return std::bit_cast<unsigned>(x); }

constexpr int matrices = 64;

std::vector<float> run_mma(const Side& side, bool tf32, bool integers) {
  std::vector<unsigned> a, b;
  const std::vector<float> x = draws(matrices * 32 * 8, 1, integers), y = draws(matrices * 32 * 4, 2, integers);
  for (std::size_t i = 0; i < matrices * 32 * 4; ++i) a.push_back(tf32 ? bits(x[i]) : to_bf16x2(x[2 * i], x[2 * i + 1]));
  for (std::size_t i = 0; i < matrices * 32 * 2; ++i) b.push_back(tf32 ? bits(y[i]) : to_bf16x2(y[2 * i], y[2 * i + 1]));
  Stream stream(*side.backend, 0, {});
  Array<unsigned> da(side, a), db(side, b);
  Array<float> d(side, draws(matrices * 32 * 4, 3, integers));
  (tf32 ? side.wrappers->mma_tf32 : side.wrappers->mma_bf16)(stream, da.data(), db.data(), d.data(), matrices);
  return d.values(stream);
}

std::vector<unsigned> run_ldmatrix(const Side& side) {
  std::vector<std::uint16_t> rows;
  for (std::size_t i = 0; i < 256; ++i) rows.push_back(static_cast<std::uint16_t>(draw(4, i).v[0]));
  Stream stream(*side.backend, 0, {});
  Array<std::uint16_t> tile(side, rows);
  Array<unsigned> plain(side, std::vector<unsigned>(128)), transposed(side, std::vector<unsigned>(128));
  side.wrappers->ldmatrix(stream, tile.data(), plain.data(), transposed.data());
  std::vector<unsigned> both = plain.values(stream);
  const std::vector<unsigned> second = transposed.values(stream);
  both.insert(both.end(), second.begin(), second.end());
  return both;
}

// The values to round: any bits, subnormals, infinities and NaN among them.
std::vector<unsigned> run_rounding(const Side& side, void (*rounding)(Stream&, const float*, unsigned*, int)) {
  std::vector<float> x = {0.0f,       -0.0f,         INFINITY,     -INFINITY,   NAN,         0x1p-149f,
                          -0x1p-130f, 3.4028235e38f, 1 + 0x1p-11f, 1 + 0x1p-8f, 1 + 0x3p-8f, 3.39e38f};
  while (x.size() < 4096) x.push_back(std::bit_cast<float>(draw(5, x.size()).v[0]));
  Stream stream(*side.backend, 0, {});
  Array<float> dx(side, x);
  Array<unsigned> y(side, std::vector<unsigned>(x.size()));
  rounding(stream, dx.data(), y.data(), static_cast<int>(x.size()));
  return y.values(stream);
}

// What the matrix instructions see of it, and every NaN the same.
std::vector<unsigned> run_to_tf32(const Side& side) {
  std::vector<unsigned> result = run_rounding(side, side.wrappers->to_tf32);
  for (unsigned& v : result) v = (v & 0x7fffffffu) > 0x7f800000u ? 0x7fffe000u : v & ~0x1fffu;
  return result;
}

std::vector<unsigned> run_to_bf16(const Side& side) {
  std::vector<unsigned> result = run_rounding(side, side.wrappers->to_bf16);
  for (unsigned& v : result)
    if ((v & 0x7fffu) > 0x7f80u) v = 0x7fffu;
  return result;
}

std::vector<float> run_copies(const Side& side) {
  Stream stream(*side.backend, 0, {});
  Array<float> x(side, draws(128, 6, false)), y(side, std::vector<float>(288));
  side.wrappers->copies(stream, x.data(), y.data());
  return y.values(stream);
}

// The GPU, or null, with the reason said.
const Side* gpu() {
#if defined(TESSERA_WITH_CUDA)
  static const Side side{find_backend("cuda"), &cuda::wrappers};
  std::string why;
  if (side.backend->runtime.device_count(&why) > 0) return &side;
  std::cout << "skipped: no GPU here: " << why << "\n";
#else
  std::cout << "skipped: built without CUDA\n";
#endif
  return nullptr;
}

}  // namespace

TEST_CASE("emulated instructions do what a GPU's do") {
  const Side* const real = gpu();
  if (!real) return;
  const Side emulated{find_backend("emulated"), &emulated::wrappers};
  CHECK(run_ldmatrix(*real) == run_ldmatrix(emulated));
  CHECK(run_to_tf32(*real) == run_to_tf32(emulated));
  CHECK(run_to_bf16(*real) == run_to_bf16(emulated));
  CHECK(run_copies(*real) == run_copies(emulated));
  for (const bool tf32 : {false, true}) {
    INFO((tf32 ? "tf32" : "bf16"));
    CHECK(run_mma(*real, tf32, true) == run_mma(emulated, tf32, true));
    const std::vector<float> a = run_mma(*real, tf32, false), b = run_mma(emulated, tf32, false);
    float worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
    CHECK(worst <= 16 * 4 * 0x1p-23f * 2);  // up to 16 terms of magnitude up to 4; truncation costs twice what rounding does
  }
}

// Without a GPU too: the kernels above run, and what they give is not all zeros.
TEST_CASE("the conformance kernels run in the emulator") {
  const Side emulated{find_backend("emulated"), &emulated::wrappers};
  CHECK(run_mma(emulated, false, true) != std::vector<float>(matrices * 32 * 4));
  CHECK(run_mma(emulated, true, true) != std::vector<float>(matrices * 32 * 4));
  const std::vector<unsigned> loaded = run_ldmatrix(emulated);
  CHECK(std::vector<unsigned>(loaded.begin(), loaded.begin() + 128) !=
        std::vector<unsigned>(loaded.begin() + 128, loaded.end()));
  CHECK(run_to_tf32(emulated)[8] == 0x3f802000u);
  const std::vector<unsigned> rounded = run_to_bf16(emulated);
  CHECK(rounded[9] == 0x3f80u);   // a tie, to even: down
  CHECK(rounded[10] == 0x3f82u);  // a tie, to even: up
  const std::vector<float> copied = run_copies(emulated);
  CHECK(copied[8] == 0);
  CHECK(copied[164] == 0);
  CHECK(copied[168] != 0);
}
