// The kernels of the CPU that are compiled once per instruction set and chosen at run time: the micro-kernels under
// convolution and matmul, and the inner loops of the memory-bound kernels (simd_loops.h).
//
// Five families carry the products:
//   rows       output points × output channels, weights in packed panels:  direct convolution, its data gradient, matmul
//   int8 rows  the same in whole numbers of eight bits:                    inference with weights of eight bits
//   outer      a sum of outer products:                                     weight gradients, matmul with a transposed
//   pack       weights into panels
//   winograd   the transforms around F(2×2,3×3) and F(4×4,3×3)
//
// All are single-threaded, allocate nothing, and give an output element the same bits however its neighbours are grouped:
// each is one chain of multiply-adds in the order of the reduction.
//
// E is the type of activations and weights in memory, float or bf16. What a kernel has gathered for itself (windows, panels,
// transforms) is float32, and so is all arithmetic: bf16 is widened on the way in and rounded once on the way out.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "kernels/bf16.h"
#include "kernels/cpu/isa/simd_loops.h"
#include "kernels/params.h"
#include "kernels/stream.h"

namespace tessera::kernels::cpu::isa {

// A *panel* holds the weights of up to `panel_width` output channels: [reduction][panel_width], the rest zero, so that
// one reduction step loads consecutive vectors.

// What becomes of the sum of an output channel: y = f(scale·sum + shift + residual).
template <class E>
struct Epilogue {
  const float* scale = nullptr;  // per output channel, or null: 1
  const float* shift = nullptr;  // per output channel, or null: 0
  const E* residual = nullptr;   // lies as the output does, or null: 0
  Activation activation = Activation::none;
  bool accumulate = false;  // the sum starts from what is in the output
};

// out[point][k] = epilogue(Σ_{tap, l} in[point][tap·tap_step + l] · panel[tap·length + l][k])
//
// Points are (image, row, column); each of the three has its step, in elements, in `in` and in `out`. With taps = filter
// rows, length = filter columns × channels and tap_step = one row of the (zero-padded) image, this is a direct convolution
// in NHWC without a copy of the windows.
template <class E>
struct Rows {
  const float* in;
  std::int64_t in_image, in_row, in_column;
  E* out;
  std::int64_t out_image, out_row, out_column;
  std::int64_t images, rows, columns;
  std::int64_t taps, tap_step, length;
  const float* panels;        // of the first channel
  std::int64_t panel_floats;  // from one panel to the next
  std::int64_t channels;      // output channels, any number
  Epilogue<E> epilogue;       // of the first channel; residual: of the first point
};

// The same in whole numbers, with float outputs:
//   out[point][k] = epilogue(start[k] + Σ_{tap, l} in[point][tap·tap_step + l] · panel[tap·length + l][k])
// in: 0 … 127, weights: −63 … 63. So four products fit 16 bits (4·127·63 < 2¹⁵), and no instruction saturates; sums are
// exact as long as taps·length ≤ int8_reduction, hence of the same bits on every instruction set. length: a multiple of 4;
// a panel is [taps·length/4][panel_width][4].
struct RowsInt8 {
  const std::uint8_t* in;
  std::int64_t in_image, in_row, in_column;
  float* out;
  std::int64_t out_image, out_row, out_column;
  std::int64_t images, rows, columns;
  std::int64_t taps, tap_step, length;
  const std::int8_t* panels;  // of the first channel
  std::int64_t panel_step;    // from one panel to the next
  const std::int32_t* start;  // per output channel, whole panels of them
  std::int64_t channels;
  Epilogue<float> epilogue;  // without accumulate
};
inline constexpr std::int64_t int8_reduction = 100'000;  // 127·63 of each, and as much again in `start`: below 2³¹

// out[i][j] (+)= Σ_points a[point][i] · b[point][j],  i < rows_out, j < columns_out, rows of `out` out_step apart.
// With overread the vectors of `b` may be read up to `panel_width` − 1 floats past columns_out.
struct Outer {
  const float* a;
  std::int64_t a_image, a_row, a_column;
  const float* b;
  std::int64_t b_image, b_row, b_column;
  std::int64_t images, rows, columns;
  float* out;
  std::int64_t out_step, rows_out, columns_out;
  bool accumulate;
  bool overread;
};

// Winograd tiles of one batch of images: tile t = (image, tile row, tile column), its outputs start at
// (tile row · m, tile column · m), its input window of (m+2)² at that minus the padding.
struct Tiles {
  std::int64_t tile_rows, tile_columns;  // per image
  std::int64_t height, width, channels;  // of the image that is read or written
  std::int64_t pad_top, pad_left;        // of the window before the tile (input only)
  std::int64_t first, last;              // range of tiles
};

template <class E>
struct Winograd {
  int m;       // outputs per tile and side
  int tile;    // m + 2
  int points;  // tile²: number of independent products

  // v[point][t − first][c] = Bᵀ d B;  points are v_step floats apart, tiles `channels` apart.
  void (*input)(const Tiles&, const E* x, float* v, std::int64_t v_step);
  // u[point][l][panel_width] = G g Gᵀ;  g: [9][length][panel_width]; points u_step apart.
  void (*weights)(const float* g, std::int64_t length, float* u, std::int64_t u_step);
  // y = epilogue(Aᵀ m A) of channels [first_channel, first_channel + count);  m[point][t − first][count], tiles m_tile
  // floats apart. count is a multiple of the vector width. The epilogue is that of channel 0 and of the first image.
  void (*output)(const Tiles&, const float* m, std::int64_t m_step, std::int64_t m_tile, std::int64_t first_channel,
                 std::int64_t count, const Epilogue<E>&, E* y);
  // v[point][t − first][k] = A dy Aᵀ, zero outside the image.
  void (*output_gradient)(const Tiles&, const E* dy, float* v, std::int64_t v_step);
  // dw[row][9][channels] (+)= Gᵀ du G for `rows` filters and `count` channels;  du[point][row][du_row].
  void (*weights_gradient)(const float* du, std::int64_t du_step, std::int64_t du_row, std::int64_t rows, std::int64_t count,
                           std::int64_t channels, bool accumulate, float* dw);
};

// The kernels that meet activations or weights of type E.
template <class E>
struct Typed {
  void (*rows)(const Rows<E>&);
  // panel[l][j] = source[l·step + j] and, transposed, source[j·step + l];  l < length, j < channels ≤ panel_width.
  void (*pack)(const E* source, std::int64_t step, std::int64_t length, std::int64_t channels, float* panel);
  void (*pack_transposed)(const E* source, std::int64_t step, std::int64_t length, std::int64_t channels, float* panel);
  Winograd<E> winograd2, winograd4;  // F(2×2,3×3), F(4×4,3×3)
};

struct Int8Kernels {
  int panel_width;
  void (*rows)(const RowsInt8&);
  // to[i] = min(max(round(factor·x[i]) + zero_point, 0), 127), ties to the even number; NaN: 0.
  // False: an x[i] is NaN or infinite, which no byte says.
  bool (*quantize)(const float* x, std::int64_t count, float factor, std::int32_t zero_point, std::uint8_t* to);
};

struct Kernels {
  const char* name;
  int vector_width;  // floats
  int panel_width;   // two vectors

  Typed<float> for_float;
  Typed<bf16> for_bf16;
  Int8Kernels int8;
  void (*outer)(const Outer&);
  SimdLoops loops;

  template <class E>
  const Typed<E>& of() const {
    if constexpr (std::is_same_v<E, bf16>)
      return for_bf16;
    else
      return for_float;
  }
};

// Throws DeviceError for a set that is not built in or that the processor does not support.
const Kernels& kernels(InstructionSet set);
inline const Kernels& kernels(const Stream& stream) { return kernels(stream.options.instruction_set); }

// Those of the set's table or, with AVX-512 on a processor that has VNNI too, better ones.
const Int8Kernels& int8_kernels(const Stream& stream);

// One per file of its name; the only symbols that those files export.
extern const Kernels baseline;
#if defined(__x86_64__)
extern const Kernels avx2;
extern const Kernels avx512;
extern const Int8Kernels avx512vnni;
#endif

}  // namespace tessera::kernels::cpu::isa
