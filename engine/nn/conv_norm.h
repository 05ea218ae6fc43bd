// Convolution, batch normalisation, residual add and activation: the unit that convolutional networks are made of, run in as
// few passes over memory as the mode allows.
#pragma once

#include "engine/nn/layers.h"

namespace tessera {

// norm(conv(x), activation, residual), by
//   inference   one convolution with the normalisation folded into its epilogue;
//   training    a convolution that hands the statistics of its output on, where the backend can, then normalise + add +
//               activate;
//   otherwise   the two layers one after the other, which is also the definition.
Variable conv_norm(const Context& context, const Conv2d& conv, const BatchNorm& norm, const Variable& x,
                   Activation activation = Activation::none, const Variable& residual = {});

}  // namespace tessera
