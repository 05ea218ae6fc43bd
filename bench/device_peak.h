// What a device can do at most, measured through its own backend: a large copy within its memory, a large matrix product.
#pragma once

#include "kernels/backend.h"

namespace tessera::bench {

// Bytes per second of a copy of `bytes` within the device's memory, counted twice: they are read and written.
double measure_copy_bandwidth(const kernels::Backend& backend, double bytes);

// Operations per second of the backend's product of two random square matrices of this size.
double measure_product_flops(const kernels::Backend& backend, const kernels::Options& options, kernels::DType real,
                             std::int64_t size);

}  // namespace tessera::bench
