#include "engine/parallel/ordered_sum.h"

#include <algorithm>

namespace tessera {

OrderedSum::OrderedSum(Communicator& ranks, std::size_t count)
    : ranks_(ranks),
      count_(count),
      sum_(length_of(ranks.rank())),
      received_(sum_.size() * static_cast<std::size_t>(ranks.size())) {}

std::size_t OrderedSum::begin_of(int rank) const {
  return static_cast<std::size_t>(rank) * count_ / static_cast<std::size_t>(ranks_.size());
}

void OrderedSum::add(std::span<const float> values, const std::vector<bool>& counts) {
  const int own = ranks_.rank();
  std::vector<Communicator::ConstMemory> to(counts.size());
  std::vector<Communicator::Memory> from(counts.size());
  std::vector<std::span<const float>> shares(counts.size());
  for (int r = 0; r < ranks_.size(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    const std::span<float> room = std::span(received_).subspan(i * sum_.size(), sum_.size());
    if (counts[static_cast<std::size_t>(own)]) to[i] = std::as_bytes(values.subspan(begin_of(r), length_of(r)));
    if (!counts[i]) continue;
    from[i] = std::as_writable_bytes(room);
    shares[i] = r == own ? values.subspan(begin_of(own), sum_.size()) : room;
  }
  ranks_.exchange(to, from);
  for (std::size_t r = 0; r < counts.size(); ++r) {
    if (!counts[r]) continue;
    const std::span<const float> share = shares[r];
    if (begun_)
      for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += share[i];
    else
      std::copy(share.begin(), share.end(), sum_.begin());
    begun_ = true;
  }
}

void OrderedSum::finish(std::span<float> values) {
  if (!begun_) std::fill(sum_.begin(), sum_.end(), 0.0f);
  begun_ = false;
  const auto size = static_cast<std::size_t>(ranks_.size());
  const std::vector<Communicator::ConstMemory> to(size, std::as_bytes(std::span<const float>(sum_)));
  std::vector<Communicator::Memory> from(size);
  for (int r = 0; r < ranks_.size(); ++r)
    from[static_cast<std::size_t>(r)] = std::as_writable_bytes(values.subspan(begin_of(r), length_of(r)));
  ranks_.exchange(to, from);
  std::copy(sum_.begin(), sum_.end(), values.begin() + static_cast<std::ptrdiff_t>(begin_of(ranks_.rank())));
}

}  // namespace tessera
