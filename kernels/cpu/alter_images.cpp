// alter_images, mix_images: see kernels/slots.def and kernels/alteration.h.
//
// Threads take runs of images; an image is altered cell by cell in two passes (the contrast needs its mean first), within L1.
// 8 bytes an element and for the jitter about 12 FLOP; mixing 12 bytes and 3 FLOP.
#include "kernels/alteration.h"
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {
namespace {

float held(float x) { return x < 0.0f ? 0.0f : x < 1.0f ? x : 1.0f; }

template <class E>
E rounded(float x) {
  if constexpr (std::is_same_v<E, bf16>)
    return to_bf16(x);
  else
    return x;
}

// One cell with its colours in 0 … 1.
struct Cell {
  float v[3];
  float grey(int channels) const { return channels < 3 ? v[0] : 0.299f * v[0] + 0.587f * v[1] + 0.114f * v[2]; }
};

template <class E>
void colour(const AlterParams& params, const Jitter& jitter, std::int64_t cells, std::int64_t channels, E* image) {
  const int coloured = static_cast<int>(std::min<std::int64_t>(channels, 3));
  const auto brightened = [&](std::int64_t i) {
    Cell cell{};
    for (int c = 0; c < coloured; ++c)
      cell.v[c] = held(jitter.brightness * (as_float(image[i * channels + c]) * params.std[c] + params.mean[c]));
    return cell;
  };
  double sum = 0;
  for (std::int64_t i = 0; i < cells; ++i) sum += static_cast<double>(brightened(i).grey(coloured));
  const float mean = static_cast<float>(sum / static_cast<double>(cells));
  for (std::int64_t i = 0; i < cells; ++i) {
    Cell cell = brightened(i);
    for (int c = 0; c < coloured; ++c) cell.v[c] = held(jitter.contrast * cell.v[c] + (1.0f - jitter.contrast) * mean);
    const float grey = cell.grey(coloured);
    for (int c = 0; c < coloured; ++c) {
      const float v = held(jitter.saturation * cell.v[c] + (1.0f - jitter.saturation) * grey);
      image[i * channels + c] = rounded<E>((v - params.mean[c]) / params.std[c]);
    }
  }
}

// fn(i) for each image, in threads.
template <class Function>
void for_images(const Stream& stream, std::int64_t images, std::int64_t elements, const Function& fn) {
  const std::int64_t grain = 1 + grain_elements / std::max<std::int64_t>(elements, 1);
  parallel_for(stream, 0, images, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) fn(i);
  });
}

}  // namespace

void alter_images(Stream& stream, const AlterParams& params, const StepState* state, std::int64_t first, View x) {
  const std::int64_t width = x.dims[2], channels = x.dims[3], cells = x.dims[1] * width;
  with_type(stream, "alter_images", {x}, [&](auto zero) {
    using E = decltype(zero);
    for_images(stream, x.dims[0], cells * channels, [&](std::int64_t i) {
      E* const image = x.as<E>() + i * cells * channels;
      const std::int64_t place = state->position + first + i;
      if (params.jitter > 0.0f) colour(params, jitter_of(params, state->epoch, place), cells, channels, image);
      if (params.cutout == 0) return;
      const Box box =
          cutout_of(params, state->epoch, place, static_cast<std::int32_t>(x.dims[1]), static_cast<std::int32_t>(width));
      for (std::int64_t row = box.top; row < box.bottom; ++row)
        std::fill_n(image + (row * width + box.left) * channels, (box.right - box.left) * channels, E{});
    });
  });
}

void mix_images(Stream& stream, const MixParams& params, const StepState* state, std::int64_t first, ConstView x,
                ConstView y, View mixed, View other, View share) {
  require_float32(stream, "mix_images", {share});
  const std::int64_t n = x.dims[0], width = x.dims[2], channels = x.dims[3], elements = x.dims[1] * width * channels;
  with_type(stream, "mix_images", {x, mixed}, [&](auto zero) {
    using E = decltype(zero);
    for_images(stream, n, elements, [&](std::int64_t i) {
      const Mixture mixture = mixture_of(params, state->epoch, state->position + first + i,
                                         static_cast<std::int32_t>(x.dims[1]), static_cast<std::int32_t>(width));
      const E *own = x.as<E>() + i * elements, *its = x.as<E>() + (n - 1 - i) * elements;
      E* const to = mixed.as<E>() + i * elements;
      if (mixture.cut) {
        std::copy_n(own, elements, to);
        for (std::int64_t row = mixture.box.top; row < mixture.box.bottom; ++row) {
          const std::int64_t begin = (row * width + mixture.box.left) * channels;
          std::copy_n(its + begin, (mixture.box.right - mixture.box.left) * channels, to + begin);
        }
      } else {
        for (std::int64_t e = 0; e < elements; ++e)
          to[e] = rounded<E>(mixture.share * as_float(own[e]) + (1.0f - mixture.share) * as_float(its[e]));
      }
      share.as<float>()[i] = mixture.share;
      other.as<std::int32_t>()[i] = y.as<std::int32_t>()[n - 1 - i];
    });
  });
}

}  // namespace tessera::kernels::cpu
