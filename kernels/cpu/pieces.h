// Operands of kind T for loops that compute in float32: float32 where it lies, bf16 widened piece by piece into buffers that
// stay in L1, and narrowed once on the way out.
//
// So there is one set of inner loops. A widened element costs a load and a store in L1 more; what it saves is half of its
// bytes in memory, which bounds these kernels.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/cpu/blocks.h"
#include "kernels/cpu/isa/simd_loops.h"

namespace tessera::kernels::cpu {

inline constexpr std::int64_t piece_elements = 1024;  // 4 KiB: with three or four operands well within L1

inline bool is_bf16(const ConstView& x) { return x && x.dtype == DType::bf16; }

inline void copy_widened(const SimdLoops&, const float* x, std::int64_t count, float* to) { std::copy_n(x, count, to); }
inline void copy_widened(const SimdLoops& loops, const bf16* x, std::int64_t count, float* to) { loops.widen(x, count, to); }

// Elements [first, first + count) as float32, in place or widened in `buffer`; null where x is empty.
inline const float* widened(const SimdLoops& loops, const ConstView& x, std::int64_t first, std::int64_t count,
                            float* buffer) {
  if (!x) return nullptr;
  if (x.dtype != DType::bf16) return x.as<float>() + first;
  loops.widen(x.as<bf16>() + first, count, buffer);
  return buffer;
}

// Where a loop writes elements [first, first + count) of y, or adds to them: y itself, or `buffer`, whose contents
// narrow_back then brings home. Null where y is empty.
inline float* widened(const SimdLoops& loops, const Gradient& y, std::int64_t first, std::int64_t count, float* buffer) {
  if (!y) return nullptr;
  if (y.view.dtype != DType::bf16) return y.view.as<float>() + first;
  if (y.accumulate) loops.widen(y.view.as<bf16>() + first, count, buffer);
  return buffer;
}
inline void narrow_back(const SimdLoops& loops, const Gradient& y, std::int64_t first, std::int64_t count,
                        const float* buffer) {
  if (is_bf16(y.view)) loops.narrow(buffer, count, y.view.as<bf16>() + first);
}

// Elements [first, first + count) of x spread over something longer, x[i % x.count()], in `buffer`.
inline const float* spread(const ConstView& x, std::int64_t first, std::int64_t count, float* buffer) {
  const std::int64_t period = x.count();
  if (period == 1) {
    std::fill_n(buffer, count, *x.as<float>());
    return buffer;
  }
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t at = (first + done) % period, run = std::min(period - at, count - done);
    std::copy_n(x.as<float>() + at, run, buffer + done);
    done += run;
  }
  return buffer;
}

// fn(first, count) on runs of at most `piece` elements that together are [begin, end).
template <class Function>
void for_pieces(std::int64_t begin, std::int64_t end, std::int64_t piece, const Function& fn) {
  for (std::int64_t first = begin; first < end; first += piece) fn(first, std::min(piece, end - first));
}

// loop(first, count, inputs, output) on runs of elements; the inputs are of y's count, or float32 and spread over y; y may
// be one of the inputs. grain: elements worth a chunk (blocks.h).
template <std::size_t N, class Loop>
void map_elements(const Stream& stream, const std::array<ConstView, N>& inputs, const Gradient& y, std::int64_t grain,
                  const Loop& loop) {
  const SimdLoops& loops = simd_loops(stream);
  const auto is_spread = [&](const ConstView& x) { return x && x.count() != y.view.count(); };
  const bool buffered = is_bf16(y.view) || std::any_of(inputs.begin(), inputs.end(),
                                                       [&](const ConstView& x) { return is_bf16(x) || is_spread(x); });
  for_elements(stream, y.view.count(), grain, [&](std::int64_t begin, std::int64_t elements) {
    float buffers[N + 1][piece_elements];
    for_pieces(begin, begin + elements, buffered ? piece_elements : elements, [&](std::int64_t first, std::int64_t count) {
      std::array<const float*, N> in;
      for (std::size_t i = 0; i < N; ++i)
        in[i] = is_spread(inputs[i]) ? spread(inputs[i], first, count, buffers[i])
                                     : widened(loops, inputs[i], first, count, buffers[i]);
      loop(first, count, in, widened(loops, y, first, count, buffers[N]));
      narrow_back(loops, y, first, count, buffers[N]);
    });
  });
}

}  // namespace tessera::kernels::cpu
