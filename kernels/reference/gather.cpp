// Reference batch assembly.
#include "kernels/augmentation.h"
#include "kernels/reference/real.h"
#include "kernels/reference/slots.h"

namespace tessera::kernels::reference {

void gather_batch(Stream&, const GatherParams& g, const StepState* state, ConstView images, ConstView labels,
                  ConstView order, View x, View y) {
  with_real("gather_batch", x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const std::int64_t height = x.dims[1], width = x.dims[2], channels = x.dims[3];
    T* to = x.as<T>();
    for (std::int64_t i = 0; i < x.dims[0]; ++i) {
      const std::int64_t sample = order.as<std::int32_t>()[state->position + i];
      const std::uint8_t* image = images.as<std::uint8_t>() + sample * height * width * channels;
      const Augmentation a = augmentation(g, state->epoch, sample);
      for (std::int64_t h = 0; h < height; ++h)
        for (std::int64_t w = 0; w < width; ++w)
          for (std::int64_t c = 0; c < channels; ++c) {
            std::int64_t row = h + a.row - g.crop_padding;
            std::int64_t column = (a.flip ? width - 1 - w : w) + a.column - g.crop_padding;
            if (g.reflect) row = reflected(row, height), column = reflected(column, width);
            const bool inside = row >= 0 && row < height && column >= 0 && column < width;
            const double value = inside ? (image[(row * width + column) * channels + c] / 255.0 - g.mean[c]) / g.std[c] : 0;
            write(*to++, value, false);
          }
      y.as<std::int32_t>()[i] = labels.as<std::int32_t>()[sample];
    }
  });
}

}  // namespace tessera::kernels::reference
