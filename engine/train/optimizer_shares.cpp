#include "engine/train/optimizer_shares.h"

#include <cstdlib>

namespace tessera {
namespace {

std::vector<std::size_t> cut(const ParameterStore& parameters, int ranks) {
  const std::size_t count = parameters.parameters().size();
  std::vector<std::size_t> first{0};
  for (int r = 1; r < ranks; ++r) {
    const std::int64_t even = parameters.values().count() * r / ranks;
    std::size_t nearest = first.back();
    for (std::size_t i = nearest; i <= count; ++i)
      if (std::abs(parameters.offset(i) - even) < std::abs(parameters.offset(nearest) - even)) nearest = i;
    first.push_back(nearest);
  }
  first.push_back(count);
  return first;
}

std::vector<std::int64_t> offsets_of(const ParameterStore& parameters, const std::vector<std::size_t>& first) {
  std::vector<std::int64_t> begins;
  for (const std::size_t parameter : first) begins.push_back(parameters.offset(parameter));
  return begins;
}

}  // namespace

OptimizerShares::OptimizerShares(Communicator& ranks, ParameterStore& parameters)
    : ranks_(ranks),
      parameters_(parameters),
      first_(cut(parameters, ranks.size())),
      begins_(offsets_of(parameters, first_)),
      own_(parameters, first_[static_cast<std::size_t>(ranks.rank())], first_[static_cast<std::size_t>(ranks.rank()) + 1]) {}

void OptimizerShares::check_finite(const Tensor& guard) {
  Device& device = guard.on();
  kernels::StepGuard before, own;
  device.download(&before, guard.data(), sizeof before);
  if (own_.gradients().count() > 0) {
    device.run(&Backend::check_finite, own_.gradients(), static_cast<kernels::StepGuard*>(guard.data()));
    device.download(&own, guard.data(), sizeof own);
  }
  const bool skip = any(ranks_, own.skip != 0);
  const kernels::StepGuard joined{
      .skip = skip ? 1 : 0, .consecutive = skip ? before.consecutive + 1 : 0, .skipped = before.skipped + (skip ? 1 : 0)};
  device.upload(guard.data(), &joined, sizeof joined);
}

std::vector<float> OptimizerShares::gathered(const Tensor& own, bool everywhere) const {
  const auto size = static_cast<std::size_t>(ranks_.size()), rank = static_cast<std::size_t>(ranks_.rank());
  const bool here = everywhere || rank == 0;
  std::vector<float> all(here ? static_cast<std::size_t>(begins_.back()) : 0), mine = own.to_host<float>();
  std::vector<Communicator::ConstMemory> to(size);
  std::vector<Communicator::Memory> from(size);
  for (std::size_t r = 0; r < size; ++r) {
    if (everywhere || r == 0) to[r] = std::as_bytes(std::span<const float>(mine));
    if (!here) continue;
    from[r] = std::as_writable_bytes(
        std::span(all).subspan(static_cast<std::size_t>(begins_[r]), static_cast<std::size_t>(begins_[r + 1] - begins_[r])));
  }
  ranks_.exchange(to, from);
  if (here) std::copy(mine.begin(), mine.end(), all.begin() + begins_[rank]);
  return all;
}

void OptimizerShares::gather_values() {
  parameters_.values().copy_from(std::span<const float>(gathered(own_.values(), true)));
  parameters_.values_changed();
}

std::map<std::string, Tensor> OptimizerShares::gather_memory(const Optimizer& optimizer) const {
  std::map<std::string, Tensor> memory = optimizer.memory();
  for (auto& [name, tensor] : memory) {
    const std::vector<float> all = gathered(tensor, false);
    if (ranks_.rank() == 0) tensor = Tensor::from(parameters_.device(), parameters_.values().shape(), all);
  }
  return memory;
}

}  // namespace tessera
