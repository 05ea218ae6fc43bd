// How fast ranks exchange, and into which pieces to cut what they exchange while they compute.
#pragma once

#include <cstdint>

#include "engine/parallel/communicator.h"

namespace tessera {

// An exchange in which each rank sends b bytes in all takes about latency + b/bandwidth seconds.
struct LinkSpeed {
  double latency, bandwidth;
};

// By a few exchanges with all others, about as many milliseconds; as rank 0 sees it, on every rank.
LinkSpeed measure_link(Communicator& ranks);

// Of `total` bytes, made one after another and sent in pieces of b bytes while the next are made, the last piece and the
// latencies of all remain to be waited for: total/b·latency + b/bandwidth. The b where that is least: √(total·latency·bandwidth),
// at least 64 KiB, at most `total`.
std::int64_t bucket_bytes(std::int64_t total, const LinkSpeed& link);

}  // namespace tessera
