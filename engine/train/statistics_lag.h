// How far batch norm's running statistics are behind: the share that their initial values, means of 0 and variances of 1, still
// have in them after so many steps. It is (1 − momentum)^steps, the largest over the layers that gather statistics.
#pragma once

#include <cstdint>

#include "engine/nn/network.h"

namespace tessera {

// 0 where no layer gathers any.
double statistics_lag(Network& network, std::int64_t steps);

}  // namespace tessera
