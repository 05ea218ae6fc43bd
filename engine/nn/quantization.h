// Which of a network's weights are met in eight bits, and how.
#pragma once

#include <map>
#include <string>

#include "kernels/prepared.h"

namespace tessera {

// By the path of the weights. The parameters themselves hold the same weights as floats, scale·q.
using Quantization = std::map<std::string, kernels::Int8Product>;

}  // namespace tessera
