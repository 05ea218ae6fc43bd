// conv2d_backward_data: dx (+)= the transposed convolution of dy, as an implicit matrix product.
//   dx[n,i,j,c] = Σ_{r,s,k} dy[n, (i + pad_top − r)/stride, (j + pad_left − s)/stride, k] · w[k,r,s,c],
// over those r, s whose divisions leave no remainder and stay inside dy. Where there are none, the sum is 0.
// dy: [n,p,q,k], w: [k,r,s,c], dx: [n,h,w,c], float32 (also by TF32) or bf16.
// expects: mma.sync.aligned.m16n8k16 mma.sync.aligned.m16n8k8 ldmatrix.sync cp.async.cg cp.async.ca
//
// Which r count depends on (i + pad_top) mod stride alone, so the rows of dx fall into `stride` classes, and so do the
// columns: within one of the stride² classes dx is a convolution of dy of stride 1, with the filter cells r = a, a + stride,
// … walked backwards. Each class is a matrix product of its own: rows are input pixels, columns input channels c, the inner
// dimension runs over (r,s,k); one launch does all classes (blockIdx.z). No product is with a zero that the stride makes;
// a class that no filter cell reads (1×1, stride 2) becomes 0, or is left alone where dx is added to.
// Blocks as in conv2d_forward.cu. dy and w are both read along their contiguous axis, so w need not be transposed.
// 2·n·p·q·c·r·s·k FLOPs, and what the borders add; dy is read about r·s/stride² times for each 128 input channels, mostly
// from the L2 cache. bf16: bound by memory up to 64 channels, then by tensor cores; float32: by arithmetic.
// Variants not here: as in conv2d_forward.cu.
#include "kernels/cuda/conv2d.h"
#include "kernels/cuda/conv2d_grouped.h"
#include "kernels/cuda/conv2d_windows.h"
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
  static constexpr bool cached = false;
  const T* data;
  int lines;  // channels c
  int r, s, first_r, first_s, stride;
  FastDivide by_s, by_k;

  __device__ ClassFilters(const T* w, const Conv2dSizes& d, int first_r_, int first_s_, const FastDivide& by_s_,
                          const FastDivide& by_k_)
      : data(w),
        lines(d.c),
        r(d.r),
        s(d.s),
        first_r(first_r_),
        first_s(first_s_),
        stride(d.stride),
        by_s(by_s_),
        by_k(by_k_) {}

  using Line = int;        // c
  using Step = GemmIndex;  // (r, s, k)
  struct Place {
    const T* first;  // of w[k,r,s,0]
    bool inside;
  };
  __device__ Line line(int channel) const { return channel; }
  __device__ Step step(int inner) const {
    const auto [cell, filter] = by_k(inner);
    const auto [row, column] = by_s(cell);
    return {row, column, filter};
  }
  __device__ GemmStride ahead(int count) const { return {by_s.divisor(), by_k.divisor(), step(count)}; }
  __device__ void advance(Step& k, const GemmStride& by) const { by.advance(k); }
  __device__ Place place(const Step& k, bool inside) const {
    const int row = first_r + k.high * stride, column = first_s + k.middle * stride;
    return {behind(data, (k.low * r + row) * s + column, lines * static_cast<int>(sizeof(T))), inside};
  }
  __device__ GemmElement<T> at(Line line, const Place& place) const { return {behind(place.first, line), place.inside}; }
};

template <class T>
struct ClassProblem {
  Conv2dSizes d;
  const T *dy, *w;
  Classes rows, columns, r, s;
  FastDivide by_k;
};

template <class T, class Windows>
struct BackwardData {
  ClassProblem<T> classes;

  using Part = GemmPart<Windows, ClassFilters<T>, ClassRows>;

  __device__ Part part(int z) const {
    const Conv2dSizes& d = classes.d;
    const int a = z / d.stride, b = z - a * d.stride;  // r ≡ a, s ≡ b
    // The first row i with i + pad_top ≡ a; the output that reads it through filter row a is number (i + pad_top −
    // a)/stride.
    const int first_row = (a + (d.stride - d.pad_top % d.stride)) % d.stride;
    const int first_column = (b + (d.stride - d.pad_left % d.stride)) % d.stride;
    const int height = classes.rows.size(first_row), width = classes.columns.size(first_column);
    const int r_size = classes.r.size(a), s_size = classes.s.size(b);
    const FastDivide by_rows = classes.rows.by(height), by_columns = classes.columns.by(width), by_s = classes.s.by(s_size);
    const int pixels = d.n * height * width, inner = r_size * s_size * d.k;
    const Conv2dWindowSizes windows{.height = d.p,
                                    .width = d.q,
                                    .channels = d.k,
                                    .pixels = pixels,
                                    .by_rows = by_rows,
                                    .by_columns = by_columns,
                                    .cells = inner,
                                    .by_window_columns = by_s,
                                    .by_channels = classes.by_k,
                                    .stride = 1,
                                    .top = (first_row + d.pad_top - a) / d.stride,
                                    .left = (first_column + d.pad_left - b) / d.stride,
                                    .direction = -1};
    return Part{Windows(windows, classes.dy), ClassFilters<T>(classes.w, d, a, b, by_s, classes.by_k), pixels, inner,
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
    const ClassProblem<T> classes{d,
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
    const auto run = [&]<class Windows>(Windows*, auto tile, auto chunks) {
      const BackwardData<T, Windows> problem{classes};
      launch_gemm<decltype(arithmetic), decltype(tile), decltype(chunks)>(stream, on, problem, d.stride * d.stride, rows,
                                                                          inner, result);
    };
    const auto run_patches = [&](auto tile) {
      run(static_cast<Conv2dPatches<T>*>(nullptr), tile, GemmChunks<true, true>{});
    };
    if (chunked<T>(dy.data, d.k) && chunked<T>(w.data, d.c) && has_patches(d))
      half_empty(d.c, 128) ? run_patches(typename decltype(arithmetic)::Narrow{})
                           : with_tile<decltype(arithmetic)>(rows, run_patches);
    else
      run(static_cast<Conv2dWindows<T, Major::depth>*>(nullptr), typename decltype(arithmetic)::Single{},
          GemmChunks<false, false>{});
  });
}

}  // namespace tessera::kernels::TESSERA_GPU_NAMESPACE
