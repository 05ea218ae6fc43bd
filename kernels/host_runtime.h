// The runtime of every backend whose device is the host's own CPU and memory: kernels have finished when their call
// returns, so streams need no handle and nothing has to be waited for.
#pragma once

#include "kernels/runtime.h"

namespace tessera::kernels {

const Runtime& host_runtime();

}  // namespace tessera::kernels
