#include "engine/train/gradient_exchange.h"

#include <algorithm>

#include "engine/core/error.h"
#include "engine/parallel/link_speed.h"

namespace tessera {
namespace {

bool same(const GradientExchange::Ranges& a, const GradientExchange::Ranges& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && x.count == y.count; });
}

}  // namespace

GradientExchange::GradientExchange(Communicator& ranks, const ParameterStore& parameters, const WireOptions& wire)
    : parameters_(parameters), wire_(wire), aside_(ranks.aside()) {
  if (parameters.gradients().dtype() != DType::f32)
    throw ShapeError("[ranks] only float32 parameters are trained by several");
  const auto bytes = static_cast<std::int64_t>(parameters.gradients().bytes());
  std::int64_t size = bytes;
  if (wire.owners.empty() && bytes > 0)
    size = wire.bucket_bytes ? *wire.bucket_bytes : bucket_bytes(bytes, measure_link(*aside_));
  bucket_elements_ = std::max<std::int64_t>(size / static_cast<std::int64_t>(sizeof(float)), 1);
  if (!parameters.device()->backend().runtime.host_memory)
    staged_.resize(static_cast<std::size_t>(parameters.gradients().count()));
}

GradientExchange::~GradientExchange() { aside_->cancel(); }

OrderedSum GradientExchange::sum_of(const ParameterStore::Range& range) {
  if (wire_.owners.empty()) return {*aside_, static_cast<std::size_t>(range.count), wire_.bf16};
  std::vector<std::size_t> begins;
  for (const std::int64_t begin : wire_.owners)
    begins.push_back(static_cast<std::size_t>(std::clamp<std::int64_t>(begin - range.first, 0, range.count)));
  return {*aside_, begins, wire_.bf16};
}

void GradientExchange::plan(const Ranges& ranges) {
  planned_ = true;
  if (same(ranges, ranges_)) return;
  ranges_ = ranges;
  buckets_.clear(), bucket_of_.clear();
  std::size_t parameter = parameters_.parameters().size();  // the one behind
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    std::int64_t end = range->first + range->count;
    while (end > range->first) {
      std::int64_t first = end;
      std::vector<std::size_t> members;
      while (first > range->first && end - first < bucket_elements_) {
        do --parameter;
        while (parameters_.offset(parameter) >= first);  // without a gradient
        first = parameters_.offset(parameter);
        members.push_back(parameter);
      }
      for (const std::size_t member : members) bucket_of_[parameters_.parameters()[member]->node().get()] = buckets_.size();
      buckets_.push_back({.range = {first, end - first},
                          .sum = sum_of({first, end - first}),
                          .parameters = members.size(),
                          .missing = members.size()});
      end = first;
    }
  }
}

std::span<float> GradientExchange::host(const ParameterStore::Range& range) {
  float* const all = staged_.empty() ? static_cast<float*>(parameters_.gradients().data()) : staged_.data();
  return {all + range.first, static_cast<std::size_t>(range.count)};
}

void GradientExchange::begin(const std::vector<bool>& counts, bool last, const Ranges* expected) {
  counts_ = counts, last_ = last, planned_ = false, given_ = 0;
  if (expected && staged_.empty()) plan(*expected);
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters;
}

void GradientExchange::on_leaf(const GradNode& leaf) {
  if (!planned_ || !leaf.filled()) return;
  const auto found = bucket_of_.find(&leaf);
  if (found == bucket_of_.end()) return;
  --buckets_[found->second].missing;
  give_away();
}

void GradientExchange::give_away() {
  for (; given_ < buckets_.size() && buckets_[given_].missing == 0; ++given_)
    thread_.post([this, &bucket = buckets_[given_]] {
      const std::span<float> values = host(bucket.range);
      bucket.sum.add(values, counts_);
      if (!last_) return;
      if (wire_.owners.empty())
        bucket.sum.finish(values);
      else
        bucket.sum.finish_own(values);
    });
}

void GradientExchange::finish(const Ranges& ranges) {
  early_ = given_;
  if (planned_ && !same(ranges, ranges_))
    throw Error(ExitCode::failure, "[ranks] other parameters received gradients than in the last step of the same kind");
  plan(ranges);
  const Tensor& gradients = parameters_.gradients();
  for (Bucket& bucket : buckets_) {
    bucket.missing = 0;
    if (!staged_.empty()) gradients.slice(bucket.range.first, {bucket.range.count}).copy_to(host(bucket.range));
    give_away();
  }
  thread_.wait();
  if (staged_.empty() || !last_) return;
  for (const Bucket& bucket : buckets_)
    gradients.slice(bucket.range.first, {bucket.range.count}).copy_from(std::span<const float>(host(bucket.range)));
}

}  // namespace tessera
