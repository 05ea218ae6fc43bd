#include "engine/nn/parameter_store.h"

#include <unordered_set>

#include "engine/nn/layers.h"

namespace tessera {
namespace {

constexpr std::int64_t alignment = 64;  // elements: 256 bytes of float32

std::int64_t aligned(std::int64_t count) { return (count + alignment - 1) / alignment * alignment; }

struct Gatherer : Visitor {
  void on_module(const std::string&, Module& module) override {
    if (auto* dropout = dynamic_cast<Dropout*>(&module)) dropout->number = dropouts++;
  }
  void on_parameter(const std::string& path, Parameter& parameter) override {
    if (!parameter) return;
    require_new(path);
    found.emplace_back(path, &parameter);
  }
  void on_buffer(const std::string& path, Buffer& buffer) override {
    require_new(path);
    buffers.emplace_back(path, &buffer);
  }
  void require_new(const std::string& path) {
    if (!names.insert(path).second) throw Error(ExitCode::failure, "two members of the network are called " + path);
  }
  std::vector<std::pair<std::string, Parameter*>> found;
  std::vector<std::pair<std::string, Buffer*>> buffers;
  std::unordered_set<std::string> names;
  std::uint32_t dropouts = 0;
};

void upload(const Tensor& to, const std::vector<float>& values) {
  if (to.dtype() == DType::f64) {
    const std::vector<double> wide(values.begin(), values.end());
    to.copy_from(std::span<const double>(wide));
  } else {
    to.copy_from(std::span<const float>(values));
  }
}

}  // namespace

ParameterStore::ParameterStore(Module& network, const std::shared_ptr<Device>& device, std::uint64_t seed, DType dtype)
    : device_(device), step_state_(device) {
  step_state_.write({});
  Gatherer all;
  network.visit(all);

  std::int64_t total = 0, buffer_total = 0;
  for (const auto& [path, parameter] : all.found) {
    offsets_.push_back(total);
    total += aligned(parameter->count());
  }
  offsets_.push_back(total);
  for (const auto& [path, buffer] : all.buffers) buffer_total += aligned(buffer->count());

  // Padding between the slices is zero and stays zero: its gradient is.
  values_ = Tensor::zeros(device, {total}, dtype);
  gradients_ = Tensor::zeros(device, {total}, dtype);
  if (device->precision() == Precision::bf16) rounded_ = Tensor::empty(device, {total}, DType::bf16);
  buffer_values_ = Tensor::zeros(device, {buffer_total}, dtype);

  for (std::size_t i = 0; i < all.found.size(); ++i) {
    auto& [path, parameter] = all.found[i];
    parameter->path_ = path;
    parameter->value_ = values_.slice(offsets_[i], parameter->shape());
    if (rounded_) parameter->rounded_ = rounded_.slice(offsets_[i], parameter->shape());
    parameter->node_ = std::make_shared<GradNode>(parameter->value_, gradients_.slice(offsets_[i], parameter->shape()));
    upload(parameter->value_, initial_values(parameter->init_, parameter->fan_, parameter->shape(),
                                             RandomStream(seed, Purpose::weights, stream_of(path))));
    parameters_.push_back(parameter);
  }
  std::int64_t offset = 0;
  for (auto& [path, buffer] : all.buffers) {
    buffer->path_ = path;
    buffer->value_ = buffer_values_.slice(offset, buffer->shape());
    upload(buffer->value_, std::vector<float>(static_cast<std::size_t>(buffer->count()), buffer->initial_));
    buffers_.push_back(buffer);
    offset += aligned(buffer->count());
  }
  values_changed();
}

ParameterStore::ParameterStore(const ParameterStore& whole, std::size_t first, std::size_t end)
    : device_(whole.device_),
      parameters_(whole.parameters_.begin() + static_cast<std::ptrdiff_t>(first),
                  whole.parameters_.begin() + static_cast<std::ptrdiff_t>(end)),
      step_state_(whole.device_),
      part_(true) {
  step_state_.write({});
  const std::int64_t begin = whole.offset(first), count = whole.offset(end) - begin;
  for (std::size_t i = first; i <= end; ++i) offsets_.push_back(whole.offset(i) - begin);
  values_ = whole.values_.slice(begin, {count});
  gradients_ = whole.gradients_.slice(begin, {count});
  if (whole.rounded_) rounded_ = whole.rounded_.slice(begin, {count});
  buffer_values_ = Tensor::zeros(device_, {0}, values_.dtype());
}

void ParameterStore::values_changed() {
  if (rounded_) device_->run(&Backend::convert, values_, {rounded_, false});
}

std::int64_t ParameterStore::trainable_count() const {
  std::int64_t count = 0;
  for (const Parameter* parameter : parameters_) count += parameter->trainable() ? parameter->count() : 0;
  return count;
}

std::int64_t ParameterStore::non_trainable_count() const {
  std::int64_t count = 0;
  for (const Parameter* parameter : parameters_) count += parameter->trainable() ? 0 : parameter->count();
  for (const Buffer* buffer : buffers_) count += buffer->count();
  return count;
}

void ParameterStore::clear_gradients(const std::vector<bool>& chosen) {
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (chosen.empty() || chosen[i]) parameters_[i]->node_->clear();
}

std::vector<ParameterStore::Range> ParameterStore::ranges_with_gradient(const std::vector<bool>& chosen) const {
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i]->node_->filled() || !(chosen.empty() || chosen[i])) continue;
    const std::int64_t first = offsets_[i], end = offsets_[i + 1];
    if (!ranges.empty() && ranges.back().first + ranges.back().count == first)
      ranges.back().count = end - ranges.back().first;
    else
      ranges.push_back({first, end - first});
  }
  return ranges;
}

}  // namespace tessera
