// The gradients of a step, summed over ranks: in buckets, each as soon as backward has finished it.
//
// A bucket is a stretch of the store's flat gradients, whole parameters. Parameters lie there in the order of the network, so
// that backward finishes them from the end on; buckets are cut from there. When the last parameter of a bucket is finished, a
// thread of its own exchanges it (ordered_sum.h) on the communicator's second way, one bucket after another, while backward
// goes on. Where elements meet does not matter to their sums: any size of bucket gives the same bits.
//
// Which parameters a pass will reach is known from the pass before of its kind. Where it is not, and on devices whose memory
// the host does not see or that replay a recording, all buckets are exchanged behind the pass.
#pragma once

#include <optional>
#include <unordered_map>

#include "engine/nn/parameter_store.h"
#include "engine/parallel/background.h"
#include "engine/parallel/ordered_sum.h"

namespace tessera {

// How gradients travel.
struct WireOptions {
  std::optional<std::int64_t> bucket_bytes = {};  // float32 bytes of a bucket; none: by latency and bandwidth (link_speed.h)
  bool bf16 = false;                              // rounded to bf16 (OrderedSum)
  // Elements of the flat gradients where each rank's share begins, and the end: each rank receives the sums of its share
  // alone (optimizer_shares.h), in one bucket a range, since one of a single owner would keep all others waiting. Empty: every
  // rank receives all.
  std::vector<std::int64_t> owners = {};
};

class GradientExchange {
 public:
  using Ranges = std::vector<ParameterStore::Range>;

  GradientExchange(Communicator& ranks, const ParameterStore& parameters, const WireOptions& wire);
  ~GradientExchange();  // of a pass under way too: what waits for others is cancelled

  // A pass begins. counts[r]: rank r's gradients are added. last: of its step; the store then has the sums of all passes.
  // expected: the ranges that will have gradients, or null.
  void begin(const std::vector<bool>& counts, bool last, const Ranges* expected);
  // While it goes on: this leaf's gradient is finished.
  void on_leaf(const GradNode& leaf);
  // The pass is over, with gradients in these ranges, the same in all passes of a step. Waits.
  void finish(const Ranges& ranges);

  std::size_t buckets() const { return buckets_.size(); }
  std::size_t early() const { return early_; }  // of the last pass's buckets, those given away before it was over

 private:
  struct Bucket {
    ParameterStore::Range range;
    OrderedSum sum;
    std::size_t parameters, missing;  // in it; not yet finished
  };
  void plan(const Ranges& ranges);
  void give_away();  // what is finished, in order
  OrderedSum sum_of(const ParameterStore::Range& range);
  std::span<float> host(const ParameterStore::Range& range);  // where its gradients are seen by the host

  const ParameterStore& parameters_;
  const WireOptions wire_;
  std::int64_t bucket_elements_;
  std::unique_ptr<Communicator> aside_;
  std::vector<float> staged_;  // gradients of a device whose memory is not the host's

  Ranges ranges_;
  std::vector<Bucket> buckets_;  // from the end of the flat gradients to their beginning
  std::unordered_map<const GradNode*, std::size_t> bucket_of_;
  std::vector<bool> counts_;
  bool last_ = false, planned_ = false;
  std::size_t given_ = 0, early_ = 0;
  Background thread_;  // last: it uses the others
};

}  // namespace tessera
