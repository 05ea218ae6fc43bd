// The ranks that share a batch, as batch norm sees them (ops/shared_batch_norm.h).
#pragma once

#include "engine/ops/shared_batch_norm.h"
#include "engine/parallel/communicator.h"

namespace tessera {

class RankShares : public BatchShares {
 public:
  explicit RankShares(Communicator& ranks) : ranks_(ranks) {}
  void set_counts(bool counts) { counts_ = counts; }
  bool counts() const override { return counts_; }
  std::vector<std::vector<double>> gather(std::span<const double> own) const override {
    const auto size = static_cast<std::size_t>(ranks_.size());
    std::vector<double> all(own.size() * size);
    ranks_.all_gather(std::as_bytes(own), std::as_writable_bytes(std::span(all)));
    std::vector<std::vector<double>> each;
    for (std::size_t r = 0; r < size; ++r) {
      const std::span<const double> share = std::span(all).subspan(r * own.size(), own.size());
      each.emplace_back(share.begin(), share.end());
    }
    return each;
  }

 private:
  Communicator& ranks_;
  bool counts_ = true;
};

}  // namespace tessera
