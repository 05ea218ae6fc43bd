#include "engine/run/weights.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace tessera {
namespace {

// dst[o,i,h,w] = src[o,h,w,i], or back.
std::vector<float> to_oihw(const std::vector<float>& krsc, const Shape& s) {
  std::vector<float> out(krsc.size());
  const std::int64_t k = s[0], window = s[1] * s[2], c = s[3];
  for (std::int64_t o = 0; o < k; ++o)
    for (std::int64_t rs = 0; rs < window; ++rs)
      for (std::int64_t i = 0; i < c; ++i)
        out[static_cast<std::size_t>((o * c + i) * window + rs)] = krsc[static_cast<std::size_t>((o * window + rs) * c + i)];
  return out;
}

std::vector<float> to_krsc(const std::vector<float>& oihw, const Shape& s) {
  std::vector<float> out(oihw.size());
  const std::int64_t k = s[0], window = s[1] * s[2], c = s[3];
  for (std::int64_t o = 0; o < k; ++o)
    for (std::int64_t i = 0; i < c; ++i)
      for (std::int64_t rs = 0; rs < window; ++rs)
        out[static_cast<std::size_t>((o * window + rs) * c + i)] = oihw[static_cast<std::size_t>((o * c + i) * window + rs)];
  return out;
}

std::vector<std::int64_t> file_shape(const Shape& s, bool filters) {
  if (filters) return {s[0], s[3], s[1], s[2]};
  return {s.extent, s.extent + s.rank};
}

std::string to_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

bool is_filters(const Parameter& parameter) { return parameter.shape().rank == 4; }

}  // namespace

void HostTensors::add(std::string name, const Tensor& tensor, bool filters_to_oihw) {
  std::vector<float> values = tensor.to_host<float>();
  if (filters_to_oihw) values = to_oihw(values, tensor.shape());
  items_.push_back({std::move(name), file_shape(tensor.shape(), filters_to_oihw), std::move(values)});
}

std::vector<TensorEntry> HostTensors::entries() const {
  std::vector<TensorEntry> entries;
  for (const Item& item : items_)
    entries.push_back({item.name, DType::f32, item.shape, std::as_bytes(std::span(item.values))});
  return entries;
}

HostTensors host_weights(const ParameterStore& parameters) {
  HostTensors host;
  for (const Parameter* parameter : parameters.parameters())
    host.add(parameter->path(), parameter->value(), is_filters(*parameter));
  for (const Buffer* buffer : parameters.buffers()) host.add(buffer->path(), buffer->value(), false);
  return host;
}

void save_weights(const std::filesystem::path& path, const ParameterStore& parameters, const Metadata& metadata) {
  const HostTensors host = host_weights(parameters);
  const std::vector<TensorEntry> entries = host.entries();
  require_finite(entries, "not saving " + path.string());
  write_safetensors(path, entries, metadata);
}

void read_tensor(const Safetensors& file, const std::string& name, const Tensor& to, bool oihw_to_filters) {
  const TensorEntry& entry = file.at(name);
  const std::vector<std::int64_t> expected = file_shape(to.shape(), oihw_to_filters);
  if (entry.dtype != DType::f32 || entry.shape != expected)
    throw WeightsError(file.where() + ": " + name + " is " + kernels::name_of(entry.dtype) + " " + to_text(entry.shape) +
                       ", expected float32 " + to_text(expected));
  std::vector<float> values(static_cast<std::size_t>(entry.count()));
  std::memcpy(values.data(), entry.bytes.data(), entry.bytes.size());
  if (oihw_to_filters) values = to_krsc(values, to.shape());
  to.copy_from(std::span<const float>(values));
}

void load_weights(const Safetensors& file, ParameterStore& parameters, std::span<const std::string> except) {
  std::set<std::string> expected;
  std::string missing, misshapen, extra;
  const auto kept = [&](const std::string& name) { return std::find(except.begin(), except.end(), name) != except.end(); };
  const auto list = [](std::string& names, const std::string& name) { names += (names.empty() ? "" : ", ") + name; };
  const auto check = [&](const std::string& name, const Shape& shape, bool filters) {
    expected.insert(name);
    if (kept(name)) return;
    const TensorEntry* entry = file.find(name);
    if (!entry)
      list(missing, name);
    else if (entry->dtype != DType::f32 || entry->shape != file_shape(shape, filters))
      list(misshapen, name + " " + to_text(entry->shape) + " instead of " + to_text(file_shape(shape, filters)));
  };
  for (const Parameter* parameter : parameters.parameters())
    check(parameter->path(), parameter->shape(), is_filters(*parameter));
  for (const Buffer* buffer : parameters.buffers()) check(buffer->path(), buffer->shape(), false);
  for (const TensorEntry& entry : file.tensors())
    if (!expected.contains(entry.name) && !entry.name.ends_with("num_batches_tracked")) list(extra, entry.name);

  if (!missing.empty() || !misshapen.empty() || !extra.empty()) {
    const auto part = [](const char* what, const std::string& names) {
      constexpr std::size_t limit = 300;
      if (names.empty()) return std::string();
      return std::string("; ") + what + ": " + (names.size() > limit ? names.substr(0, limit) + ", …" : names);
    };
    throw WeightsError(file.where() + ": these are not the weights of this network" + part("missing", missing) +
                       part("of another shape", misshapen) + part("unknown", extra));
  }
  for (const Parameter* parameter : parameters.parameters())
    if (!kept(parameter->path())) read_tensor(file, parameter->path(), parameter->value(), is_filters(*parameter));
  for (const Buffer* buffer : parameters.buffers())
    if (!kept(buffer->path())) read_tensor(file, buffer->path(), buffer->value(), false);
  parameters.values_changed();
}

}  // namespace tessera
