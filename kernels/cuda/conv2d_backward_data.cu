// conv2d_backward_data: dx (+)= the transposed convolution of dy, as an implicit matrix product.
//   dx[n,i,j,c] = Σ_{r,s,k} dy[n, (i + pad_top − r)/stride, (j + pad_left − s)/stride, k] · w[k,r,s,c],
// over those r, s whose divisions leave no remainder and stay inside dy. Where there are none, the sum is 0.
// dy: [n,p,q,k], w: [k,r,s,c], dx: [n,h,w,c], float32 (also by TF32) or bf16.
// expects: mma.sync.aligned.m16n8k16 mma.sync.aligned.m16n8k8 ldmatrix.sync cp.async.cg cp.async.ca
//
// Which r count depends on (i + pad_top) mod stride alone, so the rows of dx fall into `stride` classes, and so do the
// columns: within one of the stride² classes dx is a convolution of dy of stride 1, with the filter cells r = a, a + stride,
// … walked backwards. Each class is a matrix product of its own: rows are input pixels, columns input channels c, the inner
// dimension runs over (r,s,k); one launch does all classes (blockIdx.z). No product is with a zero that the stride makes.
// Blocks as in conv2d_forward.cu. dy and w are both read along their contiguous axis, so w need not be transposed.
// 2·n·p·q·c·r·s·k FLOPs, and what the borders add; dy is read about r·s/stride² times for each 128 input channels, mostly
// from the L2 cache. bf16: bound by memory up to 64 channels, then by tensor cores; float32: by arithmetic.
// Variants not here: as in conv2d_forward.cu.
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/conv2d_grouped.h"
#include "kernels/cuda/launchers.h"

namespace tessera::kernels::TESSERA_GPU_NAMESPACE {
namespace {

// Of `count` positions, those that are ≡ class modulo the stride: ⌈⌉ or ⌊⌋ of count/stride. Division by either is prepared.
struct Classes {
  int count, stride;
  FastDivide by_more, by_fewer;
  Classes(int count_, int stride_)
      : count(count_), stride(stride_), by_more((count_ + stride_ - 1) / stride_), by_fewer(count_ / stride_) {}

  __device__ int size(int first) const { return first < count ? (count - first + stride - 1) / stride : 0; }
  __device__ FastDivide by(int size) const { return size > count / stride ? by_more : by_fewer; }
};

// Row of the product → pixel of dx.
struct ClassRows {
  FastDivide by_rows, by_columns;
  int h, w, first_row, first_column, stride;
  __device__ std::int64_t operator()(int index) const {
    const auto [line, j] = by_columns(index);
    const auto [image, i] = by_rows(line);
    return (static_cast<std::int64_t>(image) * h + first_row + i * stride) * w + first_column + j * stride;
  }
};

// Element ((r,s,k), channel c) of one class: w[k, first_r + r·stride, first_s + s·stride, c].
template <class T>
struct ClassFilters {
  static constexpr Major major = Major::line;
  const T* data;
  int k, r, s, c, first_r, first_s, stride;
  FastDivide by_s, by_k;

  using Line = int;           // c; negative: beyond the end
  using Step = std::int64_t;  // offset of w[k,r,s,0]
  __device__ Line line(int channel) const { return channel < c ? channel : -1; }
  __device__ Step step(int inner) const {
    const auto [cell, filter] = by_k(inner);
    const auto [row, column] = by_s(cell);
    return (static_cast<std::int64_t>(filter) * r * s + (first_r + row * stride) * s + first_s + column * stride) * c;
  }
  __device__ const T* at(Line line, Step step) const { return line < 0 ? nullptr : data + step + line; }
};

template <class T>
struct BackwardData {
  Conv2dSizes d;
  const T *dy, *w;
  Classes rows, columns, r, s;
  FastDivide by_k;

  using Windows = Conv2dWindows<T, Major::depth>;
  using Part = GemmPart<Windows, ClassFilters<T>, ClassRows>;

  __device__ Part part(int z) const {
    const int a = z / d.stride, b = z - a * d.stride;  // r ≡ a, s ≡ b
    // The first row i with i + pad_top ≡ a; the output that reads it through filter row a is number (i + pad_top −
    // a)/stride.
    const int first_row = (a + (d.stride - d.pad_top % d.stride)) % d.stride;
    const int first_column = (b + (d.stride - d.pad_left % d.stride)) % d.stride;
    const int height = rows.size(first_row), width = columns.size(first_column), r_size = r.size(a), s_size = s.size(b);
    const FastDivide by_rows = rows.by(height), by_columns = columns.by(width), by_s = s.by(s_size);
    const int pixels = d.n * height * width, inner = r_size * s_size * d.k;
    return Part{Windows{.data = dy,
                        .height = d.p,
                        .width = d.q,
                        .channels = d.k,
                        .pixels = pixels,
                        .by_rows = by_rows,
                        .by_columns = by_columns,
                        .cells = inner,
                        .by_window_columns = by_s,
                        .by_channels = by_k,
                        .stride = 1,
                        .top = (first_row + d.pad_top - a) / d.stride,
                        .left = (first_column + d.pad_left - b) / d.stride,
                        .direction = -1},
                ClassFilters<T>{w, d.k, d.r, d.s, d.c, a, b, d.stride, by_s, by_k}, pixels, inner,
                ClassRows{by_rows, by_columns, d.h, d.w, first_row, first_column, d.stride}};
  }
};

}  // namespace

void conv2d_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView w, Gradient dx) {
  const LaunchOn on(stream);
  if (shape.groups > 1) return grouped_backward_data(on, shape, dy, w, dx);
  const Conv2dSizes d(shape);
  with_arithmetic(stream, dy, [&](auto arithmetic) {
    using T = typename decltype(arithmetic)::Element;
    const BackwardData<T> problem{d,
                                  dy.as<T>(),
                                  w.as<T>(),
                                  Classes(d.h, d.stride),
                                  Classes(d.w, d.stride),
                                  Classes(d.r, d.stride),
                                  Classes(d.s, d.stride),
                                  FastDivide(d.k)};
    GemmResult<T> result{.data = dx.view.data,
                         .rows = d.inputs,
                         .columns = d.c,
                         .elements = std::int64_t{d.inputs} * d.c,
                         .wide = false,
                         .accumulate = dx.accumulate};
    result.align();
    const std::int64_t rows =
        shape.n * ceil_div<std::int64_t>(shape.h, shape.stride) * ceil_div<std::int64_t>(shape.w, shape.stride);
    const int inner = ceil_div(d.r, d.stride) * ceil_div(d.s, d.stride) * d.k;
    with_tile<GemmTile<128, 128>, GemmTile<decltype(arithmetic)::narrow_rows, 64>, GemmTile<128, 64>>(
        d.c, chunks<T>(dy.data, w.data, d.k, d.c), [&](auto tile, auto chunked) {
          launch_gemm<decltype(arithmetic), decltype(tile), chunked>(stream, on, problem, d.stride * d.stride, rows, inner,
                                                                     result);
        });
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
