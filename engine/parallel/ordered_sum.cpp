#include "engine/parallel/ordered_sum.h"

#include <algorithm>
#include <utility>

namespace tessera {
namespace {

float widened(float x) { return x; }
float widened(kernels::bf16 x) { return kernels::to_float(x); }

std::vector<std::size_t> even_slices(std::size_t count, int ranks) {
  std::vector<std::size_t> begins;
  for (int r = 0; r <= ranks; ++r) begins.push_back(static_cast<std::size_t>(r) * count / static_cast<std::size_t>(ranks));
  return begins;
}

}  // namespace

OrderedSum::OrderedSum(Communicator& ranks, std::size_t count, bool bf16_wire)
    : OrderedSum(ranks, even_slices(count, ranks.size()), bf16_wire) {}

OrderedSum::OrderedSum(Communicator& ranks, std::vector<std::size_t> begins, bool bf16_wire)
    : ranks_(ranks), begins_(std::move(begins)), bf16_wire_(bf16_wire), sum_(length_of(ranks.rank())) {
  const std::size_t incoming = sum_.size() * static_cast<std::size_t>(ranks.size());
  if (bf16_wire)
    packed_.resize(begins_.back()), packed_in_.resize(incoming), packed_sum_.resize(sum_.size());
  else
    received_.resize(incoming);
}

template <class T>
void OrderedSum::add_from(std::span<const T> whole, std::span<T> received, const std::vector<bool>& counts) {
  const int own = ranks_.rank();
  std::vector<Communicator::ConstMemory> to(counts.size());
  std::vector<Communicator::Memory> from(counts.size());
  std::vector<std::span<const T>> shares(counts.size());
  for (int r = 0; r < ranks_.size(); ++r) {
    const auto i = static_cast<std::size_t>(r);
    const std::span<T> room = received.subspan(i * sum_.size(), sum_.size());
    if (counts[static_cast<std::size_t>(own)]) to[i] = std::as_bytes(whole.subspan(begin_of(r), length_of(r)));
    if (!counts[i]) continue;
    from[i] = std::as_writable_bytes(room);
    shares[i] = r == own ? whole.subspan(begin_of(own), sum_.size()) : room;
  }
  ranks_.exchange(to, from);
  for (std::size_t r = 0; r < counts.size(); ++r) {
    if (!counts[r]) continue;
    const std::span<const T> share = shares[r];
    if (begun_)
      for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += widened(share[i]);
    else
      std::transform(share.begin(), share.end(), sum_.begin(), [](T value) { return widened(value); });
    begun_ = true;
  }
}

void OrderedSum::add(std::span<const float> values, const std::vector<bool>& counts) {
  if (!bf16_wire_) return add_from<float>(values, received_, counts);
  if (counts[static_cast<std::size_t>(ranks_.rank())])
    std::transform(values.begin(), values.end(), packed_.begin(), kernels::to_bf16);
  add_from<kernels::bf16>(packed_, packed_in_, counts);
}

template <class T>
void OrderedSum::spread(std::span<const T> own, std::span<T> whole) {
  const auto size = static_cast<std::size_t>(ranks_.size());
  const std::vector<Communicator::ConstMemory> to(size, std::as_bytes(own));
  std::vector<Communicator::Memory> from(size);
  for (int r = 0; r < ranks_.size(); ++r)
    from[static_cast<std::size_t>(r)] = std::as_writable_bytes(whole.subspan(begin_of(r), length_of(r)));
  ranks_.exchange(to, from);
  std::copy(own.begin(), own.end(), whole.begin() + static_cast<std::ptrdiff_t>(begin_of(ranks_.rank())));
}

void OrderedSum::finish_own(std::span<float> values) {
  if (!begun_) std::fill(sum_.begin(), sum_.end(), 0.0f);
  begun_ = false;
  std::transform(sum_.begin(), sum_.end(), values.begin() + static_cast<std::ptrdiff_t>(begin_of(ranks_.rank())),
                 [&](float sum) { return bf16_wire_ ? kernels::to_float(kernels::to_bf16(sum)) : sum; });
}

void OrderedSum::finish(std::span<float> values) {
  if (!begun_) std::fill(sum_.begin(), sum_.end(), 0.0f);
  begun_ = false;
  if (!bf16_wire_) return spread<float>(sum_, values);
  std::transform(sum_.begin(), sum_.end(), packed_sum_.begin(), kernels::to_bf16);
  spread<kernels::bf16>(packed_sum_, packed_);
  std::transform(packed_.begin(), packed_.end(), values.begin(), kernels::to_float);
}

}  // namespace tessera
