// The ladder of a matrix product (kernels/ladder.h): c = a·b, a: [m,k], b: [k,n], c: [m,n], row-major, float32.
// expects: mma.sync.aligned.m16n8k8 cp.async.cg
//
//   naive          one thread an element, everything from memory: 8 bytes for one multiply-add, and no reuse but the caches'
//   tiled          a block has 64×64 of c and brings 16 of the depth at a time into shared memory, which all its threads read;
//                  a thread has 4×4 sums in registers: 8 floats from shared memory for 16 multiply-adds, and of device memory
//                  4·(64 + 64) bytes of depth for 64·64 multiply-adds, an eighth of a byte for each
//   pipelined      the same sums; while one step is multiplied, the next is on its way (cp.async) past the registers, and a
//                  step costs one barrier in place of two
//   tensor cores   the same pipeline; the sums by mma of TF32, a warp 32×16: 6 floats from shared memory a lane for 32
//                  multiply-adds of it
//
// Thread map of the last three: 256 threads; each copies 16 bytes of a's step and 16 of b's. Without tensor cores thread t has
// rows 4·(t/16)…, columns 4·(t%16)…; with them warp w has rows 32·(w%2)…, columns 16·(w/2)….
// 2·m·n·k FLOPs. naive: bound by loads; tiled: by the wait for each step; pipelined: by shared memory (8 floats for 16 operations
// of each thread); tensor cores: by shared memory, read float by float. What is left is in gemm.h: larger tiles, ldmatrix,
// permuted chunks, four stages, bf16.
#include <stdexcept>

#include "kernels/cuda/async_copy.h"
#include "kernels/cuda/gpu.h"
#include "kernels/cuda/packs.h"
#include "kernels/cuda/tensor_core.h"
#include "kernels/ladder.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int tile = 64, depth = 16, threads = 256;
// Floats between the lines of a's and of b's step in shared memory: the rows that a warp reads at once then lie in banks of their
// own (a: 8 rows 20 apart, 4 depths; b: 4 depths 72 apart, 8 columns).
constexpr int a_stride = depth + 4, b_stride = tile + 8;

struct Product {
  const float *a, *b;
  float* c;
  int m, n, k;
};

__global__ void __launch_bounds__(threads) naive_kernel(Product p) {
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int row = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  float sum = 0;
  for (int i = 0; i < p.k; ++i) sum += p.a[row * p.k + i] * p.b[i * p.n + column];
  p.c[row * p.n + column] = sum;
}

// One step of both operands.
struct alignas(16) Step {
  float a[tile * a_stride];
  float b[depth * b_stride];
};

// Which 16 bytes of each step this thread brings.
struct Copy {
  const float *a, *b;
  int a_to, b_to, b_step;

  __device__ explicit Copy(const Product& p) {
    const int t = static_cast<int>(threadIdx.x);
    const int row = t / 4, i = t % 4 * 4, j = t / 16, column = t % 16 * 4;
    a = p.a + (static_cast<int>(blockIdx.y) * tile + row) * p.k + i;
    b = p.b + j * p.n + static_cast<int>(blockIdx.x) * tile + column;
    a_to = row * a_stride + i, b_to = j * b_stride + column, b_step = depth * p.n;
  }
  __device__ void advance() { a += depth, b += b_step; }
};

// 4×4 sums by multiply-adds.
struct Scalars {
  float sum[4][4] = {};

  __device__ static int row() { return static_cast<int>(threadIdx.x) / 16 * 4; }
  __device__ static int column() { return static_cast<int>(threadIdx.x) % 16 * 4; }

  __device__ void add(const Step& step) {
#pragma unroll
    for (int d = 0; d < depth; ++d) {
      const Pack<4> y = load<4>(step.b + d * b_stride + column());
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float x = step.a[(row() + i) * a_stride + d];
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] += x * y.v[j];
      }
    }
  }
  __device__ void store_to(float* c, int n) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) store(c + (row() + i) * n + column(), Pack<4>{{sum[i][0], sum[i][1], sum[i][2], sum[i][3]}});
  }
};

// A warp's 32×16 as 2×2 results of mma.
struct Fragments {
  float sum[2][2][4] = {};

  __device__ static int row() { return static_cast<int>(threadIdx.x) / 32 % 2 * 32; }
  __device__ static int column() { return static_cast<int>(threadIdx.x) / 64 * 16; }
  __device__ static int group() { return static_cast<int>(threadIdx.x) % 32 / 4; }
  __device__ static int place() { return static_cast<int>(threadIdx.x) % 4; }

  __device__ void add(const Step& step) {
#pragma unroll
    for (int d = 0; d < depth; d += 8) {
      unsigned a[2][4], b[2][2];
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int r = 0; r < 4; ++r)
          a[i][r] = to_tf32(step.a[(row() + 16 * i + group() + r % 2 * 8) * a_stride + d + place() + r / 2 * 4]);
#pragma unroll
      for (int j = 0; j < 2; ++j)
#pragma unroll
        for (int r = 0; r < 2; ++r) b[j][r] = to_tf32(step.b[(d + place() + r * 4) * b_stride + column() + 8 * j + group()]);
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 2; ++j) mma_m16n8k8_tf32(sum[i][j], a[i], b[j]);
    }
  }
  __device__ void store_to(float* c, int n) const {
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < 2; ++j)
#pragma unroll
        for (int r = 0; r < 4; ++r)
          c[(row() + 16 * i + group() + r / 2 * 8) * n + column() + 8 * j + place() * 2 + r % 2] = sum[i][j][r];
  }
};

__device__ float* tile_of(const Product& p) {
  return p.c + static_cast<int>(blockIdx.y) * tile * p.n + static_cast<int>(blockIdx.x) * tile;
}

__global__ void __launch_bounds__(threads) tiled_kernel(Product p) {
  __shared__ Step step;
  Copy copy(p);
  Scalars sums;
  for (int i = 0; i < p.k; i += depth) {
    const Pack<4> a = load<4>(copy.a), b = load<4>(copy.b);
    copy.advance();
    __syncthreads();  // all have done with the last step
    store(step.a + copy.a_to, a);
    store(step.b + copy.b_to, b);
    __syncthreads();  // all have brought theirs
    sums.add(step);
  }
  sums.store_to(tile_of(p), p.n);
}

template <class Sums>
__global__ void __launch_bounds__(threads) pipelined_kernel(Product p) {
  __shared__ Step steps[2];
  Copy copy(p);
  Sums sums;
  const auto bring = [&](Step& to, bool inside) {
    cp_async16(to.a + copy.a_to, inside ? copy.a : p.a, inside);
    cp_async16(to.b + copy.b_to, inside ? copy.b : p.b, inside);
    cp_async_commit();
    copy.advance();
  };
  bring(steps[0], true);
  for (int i = 0, now = 0; i < p.k; i += depth, now ^= 1) {
    cp_async_wait<0>();
    __syncthreads();  // this step is there for all, and all have done with the other
    bring(steps[now ^ 1], i + depth < p.k);
    sums.add(steps[now]);
  }
  cp_async_wait<0>();
  sums.store_to(tile_of(p), p.n);
}

}  // namespace

void ladder(Stream& stream, int rung, ConstView a, ConstView b, View c) {
  const Product p{a.as<float>(),
                  b.as<float>(),
                  c.as<float>(),
                  static_cast<int>(c.dims[0]),
                  static_cast<int>(c.dims[1]),
                  static_cast<int>(a.dims[1])};
  if (p.m % tile != 0 || p.n % tile != 0 || p.k % depth != 0 || p.k == 0 || std::int64_t{p.m} * p.k > 0x7fffffff ||
      std::int64_t{p.k} * p.n > 0x7fffffff || std::int64_t{p.m} * p.n > 0x7fffffff)
    throw std::invalid_argument(
        "ladder: m and n are multiples of 64 and k of 16, matrices of less than 2^31 elements; these are " +
        std::to_string(p.m) + ", " + std::to_string(p.n) + " and " + std::to_string(p.k));
  const LaunchOn on(stream);
  const dim3 tiles(static_cast<unsigned>(p.n / tile), static_cast<unsigned>(p.m / tile));
  switch (rung) {
    case 0: return launch(naive_kernel, dim3(tiles.x * 2, tiles.y * 8), dim3(32, 8), 0, on, p);
    case 1: return launch(tiled_kernel, tiles, threads, 0, on, p);
    case 2: return launch(pipelined_kernel<Scalars>, tiles, threads, 0, on, p);
    case 3: return launch(pipelined_kernel<Fragments>, tiles, threads, 0, on, p);
    default: throw std::invalid_argument("ladder: no rung " + std::to_string(rung));
  }
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
