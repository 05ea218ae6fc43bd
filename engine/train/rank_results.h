// An evaluation whose batches ranks share out: rank r has batches r, r + N, ….
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "engine/parallel/communicator.h"
#include "engine/train/evaluate.h"

namespace tessera {

// What ranks did with their batches, put together in the order of the batches.
class RankResults {
 public:
  RankResults(Communicator& ranks, const std::shared_ptr<Device>& device, bool outputs)
      : ranks_(ranks), device_(device), outputs_(outputs) {}

  // Of a batch of one's own. Waits for the device.
  void add(MetricSums& sums, MetricSums& one_view, const Tensor& logits, const Tensor& y) {
    own_.push_back({sums.get(), one_view.get(), logits.shape()[0], logits.count() / logits.shape()[0]});
    sums.set({}), one_view.set({});
    if (!outputs_) return;
    const std::vector<float> z = logits.to_host<float>();
    const std::vector<std::int32_t> labels = y.to_host<std::int32_t>();
    logits_.insert(logits_.end(), z.begin(), z.end());
    labels_.insert(labels_.end(), labels.begin(), labels.end());
  }

  // All ranks'. Interrupted where one of them was: it comes here all the same.
  template <class OnBatch>
  void join(bool interrupted, MetricSums& sums, MetricSums& one_view, const OnBatch& on_batch) {
    if (any(ranks_, interrupted)) throw Interrupted("evaluation stopped");
    const std::vector<std::string> done = all_gather(ranks_, text_of(own_)), outputs = all_gather(ranks_, text_of(logits_)),
                                   answers = all_gather(ranks_, text_of(labels_));
    kernels::Metrics total, total_one_view;
    std::vector<std::size_t> logits_at(done.size()), labels_at(done.size());
    for (std::size_t batch = 0;; ++batch) {
      const std::size_t r = batch % done.size(), i = batch / done.size();
      if ((i + 1) * sizeof(Done) > done[r].size()) break;
      Done d;
      std::memcpy(&d, done[r].data() + i * sizeof d, sizeof d);
      add_metrics(total, d.sums), add_metrics(total_one_view, d.one_view);
      if (!outputs_) continue;
      on_batch(take<float>(outputs[r], logits_at[r], {d.rows, d.columns}),
               take<std::int32_t>(answers[r], labels_at[r], {d.rows}));
    }
    sums.set(total), one_view.set(total_one_view);
  }

 private:
  struct Done {
    kernels::Metrics sums, one_view;
    std::int64_t rows, columns;
  };
  template <class T>
  static std::string text_of(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
  }
  template <class T>
  Tensor take(const std::string& all, std::size_t& at, const Shape& shape) const {
    std::vector<T> values(static_cast<std::size_t>(shape.count()));
    std::memcpy(values.data(), all.data() + at, values.size() * sizeof(T));
    at += values.size() * sizeof(T);
    return Tensor::from(device_, shape, values);
  }

  Communicator& ranks_;
  std::shared_ptr<Device> device_;
  bool outputs_;
  std::vector<Done> own_;
  std::vector<float> logits_;
  std::vector<std::int32_t> labels_;
};

}  // namespace tessera
