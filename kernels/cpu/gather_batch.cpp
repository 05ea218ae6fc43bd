// gather_batch: picks a batch's samples and makes them float32 or bf16, normalised, cropped and mirrored; see
// kernels/slots.def.
//
// A channel has 256 possible values, so (u/255 − mean)/std comes from a table: 4 KiB for four channels, in L1. Its entries
// are computed in float32 in that order: divide by 255, subtract, divide; then rounded, where x is bf16.
// The crop comes first, the mirror image is taken of its result: x[h][w] = crop[h][flip ? W−1−w : w]. Its columns outside the
// image are at most the padding, and made one by one.
// Loop order: sample, row, pixel, channel; threads take runs of samples. 5 bytes an element and one table look-up: bound by
// the look-ups (a load each).
#include "kernels/augmentation.h"
#include "kernels/cpu/blocks.h"
#include "kernels/cpu/launchers.h"

namespace tessera::kernels::cpu {
namespace {

template <class E>
struct Table {
  E value[GatherParams::max_channels][256];

  Table(const GatherParams& params, std::int64_t channels) {
    for (std::int64_t c = 0; c < channels; ++c)
      for (int u = 0; u < 256; ++u) {
        const float x = (static_cast<float>(u) / 255.0f - params.mean[c]) / params.std[c];
        if constexpr (std::is_same_v<E, bf16>)
          value[c][u] = to_bf16(x);
        else
          value[c][u] = x;
      }
  }
};

// `count` pixels; the output runs backwards where the image is mirrored.
template <int channels, class E>
void convert(const Table<E>& table, const std::uint8_t* from, std::int64_t count, bool mirrored, E* to) {
  const std::int64_t step = mirrored ? -channels : channels;
  for (std::int64_t i = 0; i < count; ++i, from += channels, to += step)
    for (int c = 0; c < channels; ++c) to[c] = table.value[c][from[c]];
}

template <class E>
using Convert = void (*)(const Table<E>&, const std::uint8_t*, std::int64_t, bool, E*);
template <class E>
constexpr Convert<E> converters[GatherParams::max_channels] = {convert<1, E>, convert<2, E>, convert<3, E>, convert<4, E>};

template <class E>
void gather(Stream& stream, const GatherParams& params, const StepState* state, ConstView images, ConstView labels,
            ConstView order, View x, View y) {
  const std::int64_t samples = x.dims[0], height = x.dims[1], width = x.dims[2], channels = x.dims[3];
  const std::int64_t row_elements = width * channels, image_elements = height * row_elements;
  const Table<E> table(params, channels);
  const Convert<E> convert_pixels = converters<E>[channels - 1];
  const std::int64_t grain = 1 + grain_elements / std::max<std::int64_t>(image_elements, 1);
  parallel_for(stream, 0, samples, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t sample = order.as<std::int32_t>()[state->position + i];
      const std::uint8_t* image = images.as<std::uint8_t>() + sample * image_elements;
      y.as<std::int32_t>()[i] = labels.as<std::int32_t>()[sample];
      const Augmentation a = augmentation(params, state->epoch, sample);
      const std::int64_t down = a.row - params.crop_padding, right = a.column - params.crop_padding;
      // Columns [begin, end) of the crop lie inside the image; the rest are padding.
      const std::int64_t begin = std::clamp<std::int64_t>(-right, 0, width);
      const std::int64_t end = std::clamp<std::int64_t>(width - right, begin, width);
      for (std::int64_t h = 0; h < height; ++h) {
        E* to = x.as<E>() + i * image_elements + h * row_elements;
        const std::int64_t source = params.reflect ? reflected(h + down, height) : h + down;
        if (source < 0 || source >= height || begin == end) {
          std::fill_n(to, row_elements, E{});
          continue;
        }
        const std::uint8_t* const row = image + source * row_elements;
        const auto place = [&](std::int64_t column) { return to + (a.flip ? width - 1 - column : column) * channels; };
        convert_pixels(table, row + (begin + right) * channels, end - begin, a.flip, place(begin));
        for (std::int64_t column = begin > 0 ? 0 : end; column < width; column = column + 1 == begin ? end : column + 1)
          if (params.reflect)
            convert_pixels(table, row + reflected(column + right, width) * channels, 1, false, place(column));
          else
            std::fill_n(place(column), channels, E{});
      }
    }
  });
}

}  // namespace

void gather_batch(Stream& stream, const GatherParams& params, const StepState* state, ConstView images, ConstView labels,
                  ConstView order, View x, View y) {
  with_type(stream, "gather_batch", {x},
            [&](auto zero) { gather<decltype(zero)>(stream, params, state, images, labels, order, x, y); });
}

}  // namespace tessera::kernels::cpu
