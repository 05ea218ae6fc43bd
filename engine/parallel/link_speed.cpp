#include "engine/parallel/link_speed.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace tessera {
namespace {

double seconds_of_exchange(Communicator& ranks, std::vector<std::byte>& out, std::vector<std::byte>& in, int times) {
  const auto size = static_cast<std::size_t>(ranks.size());
  const std::size_t piece = out.size() / size;
  std::vector<Communicator::ConstMemory> to(size);
  std::vector<Communicator::Memory> from(size);
  for (std::size_t r = 0; r < size; ++r)
    to[r] = std::span(out).subspan(r * piece, piece), from[r] = std::span(in).subspan(r * piece, piece);
  double best = 1e9;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    ranks.exchange(to, from);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

LinkSpeed measure_link(Communicator& ranks) {
  constexpr std::size_t large = 1 << 20, small = 8;
  const auto size = static_cast<std::size_t>(ranks.size());
  std::vector<std::byte> out(small * size), in(small * size);
  LinkSpeed link{.latency = std::max(seconds_of_exchange(ranks, out, in, 5), 1e-7), .bandwidth = 0};
  out.resize(std::max(large, small * size)), in.resize(out.size());
  const double more = seconds_of_exchange(ranks, out, in, 3) - link.latency;
  link.bandwidth = static_cast<double>(out.size()) / std::max(more, 1e-6);
  broadcast(ranks, link);
  return link;
}

std::int64_t bucket_bytes(std::int64_t total, const LinkSpeed& link) {
  constexpr double least = 1 << 16;
  const double best = std::sqrt(static_cast<double>(total) * link.latency * link.bandwidth);
  return std::min(total, static_cast<std::int64_t>(std::clamp(best, least, 1e15)));
}

}  // namespace tessera
