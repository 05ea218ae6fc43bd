// label_weights: see kernels/slots.def. A batch is a few hundred look-ups: one thread.
#include "kernels/cpu/launchers.h"
#include "kernels/cpu/types.h"

namespace tessera::kernels::cpu {

void label_weights(Stream& stream, bool rest, ConstView class_weights, ConstView share, ConstView labels, View weights) {
  require_float32(stream, "label_weights", {class_weights, share, weights});
  for (std::int64_t i = 0; i < labels.count(); ++i) {
    float weight = class_weights ? class_weights.as<float>()[labels.as<std::int32_t>()[i]] : 1.0f;
    if (share) weight *= rest ? 1.0f - share.as<float>()[i] : share.as<float>()[i];
    weights.as<float>()[i] = weight;
  }
}

}  // namespace tessera::kernels::cpu
