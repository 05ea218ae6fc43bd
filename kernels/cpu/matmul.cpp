// c (+)= f(op(a) · op(b) + bias),  op(a): [m,k], op(b): [k,n].
//
// Own micro-kernels for every size: they run on the widest vectors there are, and need no threads of another library's.
// Measured on one Zen 4 core with AVX-512 (other load on the machine): 60 to 100 GFLOP/s, against 27 to 37 for
// Eigen 3.4 compiled for the baseline, which is what a program for any x86-64 would have.
//   a as it is:    rows of a × panels of b (isa/rows.h). A panel is packed (and transposed, where b is) into a buffer of
//                  the thread that uses it, so b is read from memory once and its panel stays in L2. The reduction is cut
//                  into parts of 2048, so that a panel takes at most 256 KiB.
//   a transposed:  a sum of outer products over k (isa/outer.h), nothing packed: the form of a weight gradient.
//                  With more than 512 points, or with b transposed, a bias or an activation, a is transposed first.
// Rows that lie a multiple of 2 KiB apart fall into the same few sets of the L1 cache, so such operands are first copied to
// a stride of one cache line more (1024³: 60 → 90 GFLOP/s).
// bf16: a is widened into a copy, b while its panels are packed; the reduction is not cut where c is bf16, so that each
// element is rounded once. (vdpbf16ps would double the arithmetic peak, but the dense layers here are bound by memory.)
// Threads: blocks of rows × panels; each element of c is one chain per part of the reduction, in order: the same bits for
// any number of threads. FLOPs 2·m·n·k. Bound by memory for few rows (weights are read once), else by arithmetic.
#include <algorithm>

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/launchers.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/pieces.h"

namespace tessera::kernels::cpu {
namespace {

constexpr std::int64_t reduction_block = 2048;
constexpr std::int64_t longest_outer = 512;  // beyond, every point is a page of its own in both operands
constexpr std::int64_t flops_per_thread = 200'000;

struct Product {
  std::int64_t m, n, k;
  const float* a;
  ConstView b;
  const float* bias;
  std::int64_t a_step, b_step;  // elements from row to row
  View c;
  bool transpose_b;
  Activation activation;
  bool accumulate;
};

// Rows and panels are cut into items_wanted items or more; rows only where there are too few panels.
struct Cut {
  std::int64_t row_blocks, panels, items, grain;
};
Cut cut_of(std::int64_t rows, std::int64_t panels, std::int64_t flops) {
  const std::int64_t wanted = (items_wanted + panels - 1) / panels;
  const std::int64_t row_blocks = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(1, rows / 24));
  const std::int64_t items = row_blocks * panels;
  return {row_blocks, panels, items, std::max<std::int64_t>(1, flops_per_thread * items / std::max<std::int64_t>(1, flops))};
}

// How much of the reduction a panel covers.
std::int64_t panel_length(const Product& job) { return is_bf16(job.c) ? job.k : std::min(job.k, reduction_block); }

// Floats of one thread's panel.
std::int64_t panel_floats(const isa::Kernels& kernels, const Product& job) {
  return whole_lines(panel_length(job) * kernels.panel_width);
}

// The columns [column, column + columns) of op(b), rows [k, k + length), as a panel. B: type of b.
template <class B>
void pack_panel(const isa::Kernels& kernels, const Product& job, std::int64_t k, std::int64_t length, std::int64_t column,
                std::int64_t columns, float* panel) {
  const B* b = job.b.as<B>();
  if (job.transpose_b)
    kernels.of<B>().pack_transposed(b + column * job.b_step + k, job.b_step, length, columns, panel);
  else
    kernels.of<B>().pack(b + k * job.b_step + column, job.b_step, length, columns, panel);
}

// buffers: one panel per thread; or null, where all of b is in `packed`, panel after panel. B, C: types of b and c.
template <class B, class C>
void multiply(const Stream& stream, const Product& job, float* buffers, const float* packed) {
  const isa::Kernels& kernels = isa::kernels(stream);
  const std::int64_t width = kernels.panel_width, panels = (job.n + width - 1) / width, buffer = panel_floats(kernels, job);
  const std::int64_t step = std::max<std::int64_t>(panel_length(job), 1);
  const Cut cut = cut_of(job.m, panels, 2 * job.m * job.n * job.k);
  parallel_workers_for(stream, 0, cut.items, cut.grain, [&](int worker, std::int64_t first, std::int64_t last) {
    for (std::int64_t item = first; item < last; ++item) {
      const std::int64_t column = item / cut.row_blocks * width, columns = std::min(width, job.n - column);
      const std::int64_t row = job.m * (item % cut.row_blocks) / cut.row_blocks;
      const std::int64_t rows = job.m * (item % cut.row_blocks + 1) / cut.row_blocks - row;
      for (std::int64_t k = 0; k == 0 || k < job.k; k += step) {
        const std::int64_t length = std::min(step, job.k - k);
        const bool final = k + length == job.k;
        float* const own = buffers + worker * buffer;
        if (!packed) pack_panel<B>(kernels, job, k, length, column, columns, own);
        kernels.of<C>().rows({.in = job.a + row * job.a_step + k,
                              .in_image = 0,
                              .in_row = 0,
                              .in_column = job.a_step,
                              .out = job.c.as<C>() + row * job.n + column,
                              .out_image = 0,
                              .out_row = 0,
                              .out_column = job.n,
                              .images = 1,
                              .rows = 1,
                              .columns = rows,
                              .taps = 1,
                              .tap_step = 0,
                              .length = length,
                              .panels = packed ? packed + column * job.k + k * width : own,
                              .panel_floats = 0,
                              .channels = columns,
                              .epilogue = {.shift = final && job.bias ? job.bias + column : nullptr,
                                           .activation = final ? job.activation : Activation::none,
                                           .accumulate = job.accumulate || k > 0}});
      }
    }
  });
}

// c (+)= aᵀ · b with a: [k,m], b: [k,n], all float32: no bias, no activation.
void multiply_outer(const Stream& stream, const Product& job) {
  const isa::Kernels& kernels = isa::kernels(stream);
  const std::int64_t width = kernels.panel_width;
  const Cut cut = cut_of(job.m, (job.n + width - 1) / width, 2 * job.m * job.n * job.k);
  parallel_for(stream, 0, cut.items, cut.grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t item = first; item < last; ++item) {
      const std::int64_t column = item / cut.row_blocks * width;
      const std::int64_t row = job.m * (item % cut.row_blocks) / cut.row_blocks;
      kernels.outer({.a = job.a + row,
                     .a_image = 0,
                     .a_row = 0,
                     .a_column = job.a_step,
                     .b = job.b.as<float>() + column,
                     .b_image = 0,
                     .b_row = 0,
                     .b_column = job.b_step,
                     .images = 1,
                     .rows = 1,
                     .columns = job.k,
                     .out = job.c.as<float>() + row * job.n + column,
                     .out_step = job.n,
                     .rows_out = job.m * (item % cut.row_blocks + 1) / cut.row_blocks - row,
                     .columns_out = std::min(width, job.n - column),
                     .accumulate = job.accumulate,
                     .overread = false});
    }
  });
}

// Would rows of this stride crowd into a few cache sets, and are there enough of them to care?
bool crowded(std::int64_t rows, std::int64_t step) { return step % 512 == 0 && rows > 8; }
constexpr std::int64_t spaced(std::int64_t step) { return step + 16; }

template <class E>
void copy_spaced(const Stream& stream, const E* from, std::int64_t rows, std::int64_t columns, float* to) {
  const SimdLoops& loops = simd_loops(stream);
  parallel_for(stream, 0, rows, 1 + 50'000 / columns, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) copy_widened(loops, from + i * columns, columns, to + i * spaced(columns));
  });
}

// to[j][i] = from[i][j];  from: [rows][columns], rows of `to` spaced. In squares of one cache line.
template <class E>
void transpose(const Stream& stream, const E* from, std::int64_t rows, std::int64_t columns, float* to) {
  constexpr std::int64_t side = 16;
  parallel_for(stream, 0, (columns + side - 1) / side, 1 + 20'000 / (side * rows + 1),
               [&](std::int64_t first, std::int64_t last) {
                 for (std::int64_t i = 0; i < rows; i += side)
                   for (std::int64_t j = first * side; j < std::min(last * side, columns); ++j)
                     for (std::int64_t l = i; l < std::min(i + side, rows); ++l)
                       to[j * spaced(rows) + l] = as_float(from[l * columns + j]);
               });
}

template <class Function>
void with_type_of(const ConstView& x, const Function& fn) {
  if (is_bf16(x))
    fn(bf16{});
  else
    fn(0.0f);
}

// How a product is done, and the scratch memory that takes.
struct Plan {
  Product job;
  bool outer, transposed, copy_a, copy_b;
  std::int64_t a_rows, a_columns, a_floats, b_floats, panels_floats;
  std::int64_t floats() const { return whole_lines(a_floats) + whole_lines(b_floats) + panels_floats; }
};

Plan plan_of(const Stream& stream, const MatmulParams& params, const ConstView& a, const ConstView& b, const ConstView& bias,
             const Gradient& c) {
  Product job{.m = c.view.dims[0],
              .n = c.view.dims[1],
              .k = params.transpose_a ? a.dims[0] : a.dims[1],
              .a = is_bf16(a) ? nullptr : a.as<float>(),
              .b = b,
              .bias = bias.as<float>(),
              .a_step = 0,
              .b_step = 0,
              .c = c.view,
              .transpose_b = params.transpose_b,
              .activation = params.activation,
              .accumulate = c.accumulate};
  job.a_step = params.transpose_a ? job.m : job.k;
  job.b_step = params.transpose_b ? job.k : job.n;

  const bool outer = params.transpose_a && !params.transpose_b && !bias && params.activation == Activation::none &&
                     job.k <= longest_outer && !is_bf16(c.view);
  const bool transposed = params.transpose_a && !outer;
  const std::int64_t a_rows = outer ? job.k : job.m, a_columns = outer ? job.m : job.k;
  const bool copy_a = transposed || is_bf16(a) || crowded(a_rows, a_columns);
  const bool copy_b = outer && (is_bf16(b) || crowded(job.k, job.n));
  const std::int64_t a_floats = copy_a ? a_rows * spaced(a_columns) : 0, b_floats = copy_b ? job.k * spaced(job.n) : 0;
  return {job,    outer,     transposed, copy_a,   copy_b,
          a_rows, a_columns, a_floats,   b_floats, stream.options.threads * panel_floats(isa::kernels(stream), job)};
}

}  // namespace

std::int64_t matmul_floats(const Stream& stream, const MatmulParams& params, const ConstView& a, const ConstView& b,
                           const View& c) {
  return plan_of(stream, params, a, b, {}, {c, false}).floats();
}

void matmul_within(const Stream& stream, Scratch scratch, const MatmulParams& params, const ConstView& a, const ConstView& b,
                   const ConstView& bias, const Gradient& c, const float* packed) {
  const Plan plan = plan_of(stream, params, a, b, bias, c);
  Product job = plan.job;
  if (job.m * job.n == 0) return;
  if (plan.copy_a) {
    float* copy = scratch.take(plan.a_floats);
    with_type_of(a, [&](auto zero) {
      using E = decltype(zero);
      if (plan.transposed)
        transpose(stream, a.as<E>(), job.k, job.m, copy);
      else
        copy_spaced(stream, a.as<E>(), plan.a_rows, plan.a_columns, copy);
    });
    job.a = copy, job.a_step = spaced(plan.a_columns);
  }
  if (plan.copy_b) {
    float* copy = scratch.take(plan.b_floats);
    with_type_of(b, [&](auto zero) { copy_spaced(stream, b.as<decltype(zero)>(), job.k, job.n, copy); });
    job.b = ConstView(copy, DType::f32, b.dims), job.b_step = spaced(job.n);
  }
  if (plan.outer) return multiply_outer(stream, job);
  float* panels = scratch.take(0);
  with_type_of(job.b, [&](auto b_zero) {
    with_type_of(job.c, [&](auto c_zero) { multiply<decltype(b_zero), decltype(c_zero)>(stream, job, panels, packed); });
  });
}

std::int64_t matmul_packed_floats(const Stream& stream, const MatmulParams& params, const ConstView& b) {
  const std::int64_t width = isa::kernels(stream).panel_width, k = b.dims[params.transpose_b ? 1 : 0];
  return (b.dims[params.transpose_b ? 0 : 1] + width - 1) / width * width * k;
}

void matmul_pack(const Stream& stream, const MatmulParams& params, const ConstView& b, float* packed) {
  const isa::Kernels& kernels = isa::kernels(stream);
  Product job{};
  job.b = b, job.b_step = b.dims[1], job.transpose_b = params.transpose_b;
  const std::int64_t n = b.dims[params.transpose_b ? 0 : 1], k = b.dims[params.transpose_b ? 1 : 0];
  const std::int64_t width = kernels.panel_width;
  parallel_for(stream, 0, (n + width - 1) / width, 1 + 20'000 / (width * k), [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t column = first * width; column < std::min(last * width, n); column += width)
      with_type_of(b, [&](auto zero) {
        pack_panel<decltype(zero)>(kernels, job, 0, k, column, std::min(width, n - column), packed + column * k);
      });
  });
}

void matmul(Stream& stream, const MatmulParams& params, ConstView a, ConstView b, ConstView bias, Gradient c) {
  if (!c || c.view.count() == 0) return;
  require_float(stream, "matmul", {a, b, c.view});
  require_float32(stream, "matmul", {bias});
  const Scratch scratch(stream, plan_of(stream, params, a, b, bias, c).floats());
  matmul_within(stream, scratch, params, a, b, bias, c);
}

}  // namespace tessera::kernels::cpu
