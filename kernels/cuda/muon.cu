// muon_step: momentum, and Newton–Schulz's iteration on it, of all matrices at once (MuonParams).
// expects: mma.sync.aligned.m16n8k16 mma.sync.aligned.m16n8k8 ldmatrix.sync cp.async.cg
//
// With X p × q, p ≤ q (a tall matrix is turned on its way in and out), in the workspace and padded with zeros to multiples of
// 8, which zeros stay:
//   1. momentum_kernel    v = momentum·v + g; sums of squares of u = g + momentum·v and of w, a share each of 32 blocks
//   2. normalise_kernel   X = u/(‖u‖ + 1e-7)
//   3. three times (by default) product_kernel in three forms: A = X·Xᵀ;  B = b·A + c·A·A;  X' = a·X + B·X
//   4. move_kernel        w = w·√rows/‖w‖ − lr·X
// 12 launches a step, however many matrices: block y is a matrix, block x a share of it or, in a product, one tile of 64 × 64
// (gemm.h); what is beyond a smaller matrix's tiles ends at once. A is symmetric to the bit, so its rows serve for columns.
//
// Elements of X, A and B: bf16 where a copy of the weights is wanted, as the published run has it, else float32 (by TF32
// where that is allowed); sums float32. FLOPs 4·p²·q + 2·p³ an iteration and matrix; 40 bytes a weight besides. Six filters up
// to 256 × 2304: 6 GFLOP, in 36 to 144 tiles a matrix: bound by the latency of the products' main loops, on no GPU measured.
#include "kernels/cuda/elements.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/launchers.h"
#include "kernels/cuda/reduce.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

constexpr int shares = warp_size;  // of a matrix: as many partial sums as a warp has lanes
using Tile = GemmTile<64, 64, 32, 32>;
constexpr int stage_stride = Tile::columns + 8;  // as gemm_store.h has it

struct Matrix {
  std::int64_t offset;     // of its first element in the flat vectors
  std::int64_t workspace;  // of its elements X, X', A and B in the workspace
  int rows, columns, p, q;

  __host__ __device__ std::int64_t count() const { return std::int64_t{rows} * columns; }
  __host__ __device__ std::int64_t area() const { return std::int64_t{p} * q; }
  // Of X, the one before (0) or after (1) an iteration, of A and of B.
  __device__ std::int64_t x(int which) const { return workspace + which * area(); }
  __device__ std::int64_t a() const { return workspace + 2 * area(); }
  __device__ std::int64_t b() const { return a() + std::int64_t{p} * p; }
  // Element (i, j) of X among the matrix's own; rows > columns: X is its transpose.
  __device__ std::int64_t weight(int i, int j) const {
    return rows > columns ? std::int64_t{j} * columns + i : std::int64_t{i} * columns + j;
  }
  __device__ bool inside(int i, int j) const { return rows > columns ? i < columns && j < rows : i < rows && j < columns; }
};

struct Matrices {
  int count;
  Matrix at[MuonParams::max_matrices];
};

__device__ bool skipped(const StepGuard* guard) { return guard && guard->skip != 0; }

// sums: [matrix][2][share]
__global__ void __launch_bounds__(block_threads)
    momentum_kernel(const __grid_constant__ Matrices matrices, const StepGuard* guard, float momentum, const float* gradient,
                    const float* weights, float* velocity, float* sums) {
  __shared__ float scratch[max_warps];
  if (skipped(guard)) return;
  const Matrix& m = matrices.at[blockIdx.y];
  float direction = 0.0f, before = 0.0f;
  for (std::int64_t i = std::int64_t{blockIdx.x} * block_threads + threadIdx.x; i < m.count(); i += shares * block_threads) {
    const std::int64_t at = m.offset + i;
    const float g = gradient[at], w = weights[at], v = momentum * velocity[at] + g, u = g + momentum * v;
    velocity[at] = v;
    direction += u * u;
    before += w * w;
  }
  direction = block_sum(direction, scratch);
  before = block_sum(before, scratch);
  float* const own = sums + blockIdx.y * 2 * shares + blockIdx.x;
  if (threadIdx.x == 0) own[0] = direction, own[shares] = before;
}

// The square root of a sum of shares; every thread of full warps calls it.
__device__ float norm_of(const float* sums) { return sqrtf(warp_sum(sums[threadIdx.x % warp_size])); }

template <class T>
__global__ void __launch_bounds__(block_threads)
    normalise_kernel(const __grid_constant__ Matrices matrices, const StepGuard* guard, float momentum,
                     const float* gradient, const float* velocity, const float* sums, T* workspace) {
  if (skipped(guard)) return;
  const Matrix& m = matrices.at[blockIdx.y];
  const float length = norm_of(sums + blockIdx.y * 2 * shares) + 1e-7f;
  for (std::int64_t at = std::int64_t{blockIdx.x} * block_threads + threadIdx.x; at < m.area();
       at += shares * block_threads) {
    const int i = static_cast<int>(at / m.q), j = static_cast<int>(at % m.q);
    float u = 0.0f;
    if (m.inside(i, j)) {
      const std::int64_t from = m.offset + m.weight(i, j);
      u = (gradient[from] + momentum * velocity[from]) / length;
    }
    workspace[m.x(0) + at] = rounded<T>(u);
  }
}

enum class Form {
  gram,        // A = X·Xᵀ
  polynomial,  // B = b·A + c·A·A
  apply,       // X' = a·X + B·X
};

// How the left and the right operand lie in shared memory.
template <class Arithmetic>
using Left = typename Arithmetic::template Layout<Major::depth, Tile::rows>;
template <class Arithmetic, Form form>
using Right = typename Arithmetic::template Layout<form == Form::apply ? Major::line : Major::depth, Tile::columns>;
template <class Arithmetic, Form form>
inline constexpr std::size_t shared_bytes =
    std::max(Arithmetic::stages* static_cast<std::size_t>(Left<Arithmetic>::size + Right<Arithmetic, form>::size) *
                 sizeof(typename Arithmetic::Element),
             Tile::rows* stage_stride * sizeof(float));

template <class Arithmetic, Form form>
__global__ void __launch_bounds__(Tile::threads, gemm_blocks<Tile>)
    product_kernel(const __grid_constant__ Matrices matrices, const StepGuard* guard, int which,
                   typename Arithmetic::Element* workspace) {
  using T = typename Arithmetic::Element;
  DYNAMIC_SHARED(float, shared);
  const Matrix& m = matrices.at[blockIdx.y];
  const int p = m.p, q = m.q, columns = form == Form::apply ? q : p;
  const int across = ceil_div(columns, Tile::columns), tile = static_cast<int>(blockIdx.x);
  if (tile >= across * ceil_div(p, Tile::rows) || skipped(guard)) return;  // the whole block
  const int first_row = tile / across * Tile::rows, first_column = tile % across * Tile::columns;
  const T *const x = workspace + m.x(which), *const a = workspace + m.a();

  using Rows = GemmMatrix<T, Major::depth>;
  using A = Left<Arithmetic>;
  using B = Right<Arithmetic, form>;
  constexpr int bytes = static_cast<int>(sizeof(T));
  typename Arithmetic::template Sums<Tile, A, B> sums;
  T* const stages = reinterpret_cast<T*>(shared);
  const T* addend = nullptr;
  T* to;
  float times = 1.0f, share = 0.0f;
  if constexpr (form == Form::gram) {
    const Rows rows{x, p, q * bytes};
    gemm<Arithmetic, Tile, GemmChunks<true, true>, A, B>(rows, rows, first_row, first_column, 0, q, stages, sums);
    to = workspace + m.a();
  } else if constexpr (form == Form::polynomial) {
    const Rows rows{a, p, p * bytes};
    gemm<Arithmetic, Tile, GemmChunks<true, true>, A, B>(rows, rows, first_row, first_column, 0, p, stages, sums);
    to = workspace + m.b(), addend = a;
    times = static_cast<float>(MuonParams::c), share = static_cast<float>(MuonParams::b);
  } else {
    const Rows rows{workspace + m.b(), p, p * bytes};
    const GemmMatrix<T, Major::line> across_x{x, q, q * bytes};
    gemm<Arithmetic, Tile, GemmChunks<true, true>, A, B>(rows, across_x, first_row, first_column, 0, p, stages, sums);
    to = workspace + m.x(1 - which), addend = x;
    share = static_cast<float>(MuonParams::a);
  }

  // Four neighbouring columns a thread; there are eights of them.
  __syncthreads();
  sums.stage(shared + Tile::row() * stage_stride + Tile::column(), stage_stride);
  __syncthreads();
  constexpr int fours = Tile::columns / 4;
  for (int i = static_cast<int>(threadIdx.x); i < Tile::rows * fours; i += Tile::threads) {
    const int row = i / fours, column = i % fours * 4;
    if (first_row + row >= p || first_column + column >= columns) continue;
    const std::int64_t at = std::int64_t{first_row + row} * columns + first_column + column;
    Pack<4> v = load<4>(shared + row * stage_stride + column), more = {};
    if constexpr (form != Form::gram) more = load<4>(addend + at);
#pragma unroll
    for (int j = 0; j < 4; ++j) v.v[j] = times * v.v[j] + share * more.v[j];
    store(to + at, v);
  }
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    move_kernel(const __grid_constant__ Matrices matrices, const StepState* state, const StepGuard* guard, int group,
                int which, const float* sums, const T* workspace, float* weights, bf16* copy) {
  if (skipped(guard)) return;
  const Matrix& m = matrices.at[blockIdx.y];
  const float rate = static_cast<float>(state->learning_rate[group]);
  const float before = norm_of(sums + (blockIdx.y * 2 + 1) * shares);
  const float keep = before > 0.0f ? sqrtf(static_cast<float>(m.rows)) / before : 1.0f;
  for (std::int64_t i = std::int64_t{blockIdx.x} * block_threads + threadIdx.x; i < m.count(); i += shares * block_threads) {
    const int row = static_cast<int>(i / m.columns), column = static_cast<int>(i % m.columns);
    const std::int64_t x = m.rows > m.columns ? std::int64_t{column} * m.q + row : std::int64_t{row} * m.q + column;
    const float w = weights[m.offset + i] * keep - rate * widened(workspace[m.x(which) + x]);
    weights[m.offset + i] = w;
    if (copy) copy[m.offset + i] = to_bf16(w);
  }
}

// Workspace: sums, then the elements of all matrices.
struct Layout {
  explicit Layout(const MuonParams& params) : matrices{.count = params.count, .at = {}} {
    for (int i = 0; i < params.count; ++i) {
      const MuonMatrix& m = params.matrices[i];
      const auto padded = [](int extent) { return ceil_div(extent, 8) * 8; };
      const int p = padded(std::min(m.rows, m.columns)), q = padded(std::max(m.rows, m.columns));
      matrices.at[i] = {m.offset, elements, m.rows, m.columns, p, q};
      elements += 2 * (matrices.at[i].area() + std::int64_t{p} * p);
      gram_tiles = std::max(gram_tiles, ceil_div(p, Tile::rows) * ceil_div(p, Tile::columns));
      apply_tiles = std::max(apply_tiles, ceil_div(p, Tile::rows) * ceil_div(q, Tile::columns));
    }
  }
  Matrices matrices;
  std::int64_t elements = 0;
  int gram_tiles = 0, apply_tiles = 0;
};

}  // namespace

void muon_step(Stream& stream, const MuonParams& params, const StepState* state, const StepGuard* guard, ConstView gradient,
               View weights, View velocity, View copy) {
  require_float32(stream, weights);
  if (params.count == 0) return;
  const LaunchOn on(stream);
  const Layout layout(params);
  const unsigned count = static_cast<unsigned>(params.count);
  const std::size_t sum_floats = std::size_t{count} * 2 * shares;
  const ConstView like(nullptr, copy ? DType::bf16 : DType::f32, {});
  with_arithmetic(stream, like, [&](auto arithmetic) {
    using Arithmetic = decltype(arithmetic);
    using T = typename Arithmetic::Element;
    auto* const sums = static_cast<float*>(
        stream.workspace.borrow(sum_floats * sizeof(float) + static_cast<std::size_t>(layout.elements) * sizeof(T)));
    T* const elements = reinterpret_cast<T*>(sums + sum_floats);
    const float momentum = static_cast<float>(params.momentum);
    const float* const g = gradient.as<float>();
    float *const w = weights.as<float>(), *const v = velocity.as<float>();
    const dim3 in_shares(shares, count);
    launch(momentum_kernel, in_shares, block_threads, 0, on, layout.matrices, guard, momentum, g, w, v, sums);
    launch(normalise_kernel<T>, in_shares, block_threads, 0, on, layout.matrices, guard, momentum, g, v, sums, elements);
    const auto product = [&]<Form form>(std::integral_constant<Form, form>, int tiles, int which) {
      launch(product_kernel<Arithmetic, form>, dim3(static_cast<unsigned>(tiles), count), Tile::threads,
             shared_bytes<Arithmetic, form>, on, layout.matrices, guard, which, elements);
    };
    int which = 0;
    for (int i = 0; i < params.iterations; ++i, which = 1 - which) {
      product(std::integral_constant<Form, Form::gram>{}, layout.gram_tiles, which);
      product(std::integral_constant<Form, Form::polynomial>{}, layout.gram_tiles, which);
      product(std::integral_constant<Form, Form::apply>{}, layout.apply_tiles, which);
    }
    launch(move_kernel<T>, in_shares, block_threads, 0, on, layout.matrices, state, guard, params.group, which, sums,
           elements, w, copy.as<bf16>());
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
