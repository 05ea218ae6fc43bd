// TESSERA_HOST_DEVICE: marks a function that both the host and a GPU may call.
#pragma once

#if defined(__CUDACC__)
#define TESSERA_HOST_DEVICE __host__ __device__
#else
#define TESSERA_HOST_DEVICE
#endif
