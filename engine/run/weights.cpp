#include "engine/run/weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "engine/files/floats.h"
#include "engine/report/suggest.h"

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

// ---- what a file must hold
// -------------------------------------------------------------------------------------------------

struct Wanted {
  std::string name;
  Shape shape;  // in memory
  bool filters = false;

  std::vector<std::int64_t> shape_in_file() const { return file_shape(shape, filters); }
};

Wanted wanted(const std::string& path, const Parameter& parameter) {
  return {path, parameter.shape(), parameter.shape().rank == 4};
}
Wanted wanted(const std::string& path, const Buffer& buffer) { return {path, buffer.shape(), false}; }

std::vector<Wanted> wanted_by(Module& network) {
  struct Collector : Visitor {
    void on_parameter(const std::string& path, Parameter& parameter) override {
      if (parameter) all.push_back(wanted(path, parameter));  // a convolution may have no bias
    }
    void on_buffer(const std::string& path, Buffer& buffer) override { all.push_back(wanted(path, buffer)); }
    std::vector<Wanted> all;
  } collector;
  network.visit(collector);
  return collector.all;
}

std::vector<Wanted> wanted_by(const ParameterStore& parameters) {
  std::vector<Wanted> all;
  for (const Parameter* parameter : parameters.parameters()) all.push_back(wanted(parameter->path(), *parameter));
  for (const Buffer* buffer : parameters.buffers()) all.push_back(wanted(buffer->path(), *buffer));
  return all;
}

// ---- what it holds
// -----------------------------------------------------------------------------------------------------------

bool is_ignored(const TensorEntry& entry) { return entry.name.ends_with("num_batches_tracked"); }

// What other programs put before every name when they save a network inside a wrapper: the run of these prefixes that lets
// most names fit, empty where the names fit as they are.
std::string foreign_prefix(const TensorFile& file, const std::vector<Wanted>& all) {
  constexpr std::string_view known[] = {"module.", "_orig_mod.", "model.", "state_dict."};
  const auto all_begin_with = [&](const std::string& prefix) {
    return std::all_of(file.tensors().begin(), file.tensors().end(),
                       [&](const TensorEntry& entry) { return entry.name.starts_with(prefix); });
  };
  const auto fitting = [&](const std::string& prefix) {
    return std::count_if(all.begin(), all.end(), [&](const Wanted& w) { return file.find(prefix + w.name) != nullptr; });
  };
  std::string prefix, best;
  auto most = fitting(best);
  while (!file.tensors().empty()) {
    const auto* next =
        std::find_if(std::begin(known), std::end(known), [&](auto p) { return all_begin_with(prefix + std::string(p)); });
    if (next == std::end(known)) break;
    prefix += *next;
    if (const auto count = fitting(prefix); count > most) most = count, best = prefix;
  }
  return best;
}

// Of shapes where one extent alone differs: which axis, this extent and the other shape's; else -1.
std::array<std::int64_t, 3> other_extent(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& than) {
  const auto [here, there] = std::mismatch(shape.begin(), shape.end(), than.begin(), than.end());
  if (shape.size() != than.size() || !std::equal(here + 1, shape.end(), there + 1)) return {-1, 0, 0};
  return {here - shape.begin(), *here, *there};
}

class Complaints {
 public:
  void add(const char* kind, const std::string& what) { kinds_[kind].push_back(what); }
  bool empty() const { return kinds_.empty(); }
  bool only(const char* kind) const { return kinds_.size() == 1 && kinds_.contains(kind); }

  // "; missing 2: a, b; unknown 1: c", long lists cut.
  std::string text() const {
    constexpr std::size_t longest = 300;
    std::string text;
    for (const auto& [kind, items] : kinds_) {
      std::string list;
      std::size_t shown = 0;
      for (; shown < items.size() && list.size() < longest; ++shown) list += (shown > 0 ? ", " : "") + items[shown];
      text += "; " + kind + (shown < items.size() ? " (" + std::to_string(items.size()) + ")" : "") + ": " + list +
              (shown < items.size() ? ", …" : "");
    }
    return text;
  }

 private:
  std::map<std::string, std::vector<std::string>> kinds_;
};

// The file's tensor for each that is wanted; null for those in `except`.
std::vector<const TensorEntry*> match(const TensorFile& file, const std::vector<Wanted>& all,
                                      std::span<const std::string> except, const std::string& prefix) {
  std::vector<const TensorEntry*> found;
  std::set<std::string> names;
  Complaints complaints;
  std::vector<std::string> missing;
  std::set<std::array<std::int64_t, 3>> others;  // where one extent differs: which, the file's and the one wanted
  for (const Wanted& w : all) {
    names.insert(prefix + w.name);
    found.push_back(nullptr);
    if (std::find(except.begin(), except.end(), w.name) != except.end()) continue;
    const TensorEntry* entry = found.back() = file.find(prefix + w.name);
    const std::vector<std::int64_t> shape = w.shape_in_file();
    if (!entry) {
      complaints.add("missing", w.name);
      missing.push_back(w.name);
    } else if (entry->shape != shape) {
      complaints.add("of another shape", w.name + " " + to_text(entry->shape) + " instead of " + to_text(shape));
      others.insert(other_extent(entry->shape, shape));
    }
  }
  std::size_t unknown = 0;
  constexpr std::size_t most_suggestions = 8, longest_name = 200;  // each is sought among all that are missing
  for (const TensorEntry& entry : file.tensors()) {
    if (names.contains(entry.name) || is_ignored(entry)) continue;
    std::string nearest;
    if (unknown++ < most_suggestions && entry.name.size() <= longest_name) nearest = nearest_word(entry.name, missing);
    complaints.add("unknown", escaped(entry.name) + (nearest.empty() ? "" : " (like " + nearest + ")"));
  }
  if (complaints.empty()) return found;
  if (complaints.only("of another shape") && others.size() == 1) {
    const auto [axis, has, needs] = *others.begin();
    const auto numbers = [&, has = std::to_string(has), needs = std::to_string(needs)](const char* of, const char* option) {
      return file.where() + ": has " + has + of + ", this network " + needs + complaints.text() + ". Give " + option + has;
    };
    if (axis == 0) throw WeightsError(numbers(" outputs", "--outputs ") + ", or let finetune train another head");
    if (axis == 1 && (has == 1 || has == 3)) throw WeightsError(numbers(" channels of images", "--channels "));
  }
  throw WeightsError(file.where() + ": these are not the weights of this network" + complaints.text());
}

void fill(const Tensor& to, const Wanted& w, const TensorEntry& entry, const std::string& where) {
  std::vector<float> values = to_float32(entry, where);
  if (w.filters) values = to_krsc(values, w.shape);
  to.copy_from(std::span<const float>(values));
}

}  // namespace

void HostTensors::add(std::string name, const Tensor& tensor, bool filters_to_oihw) {
  std::vector<float> values = tensor.to_host<float>();
  if (filters_to_oihw) values = to_oihw(values, tensor.shape());
  items_.push_back({std::move(name), file_shape(tensor.shape(), filters_to_oihw), std::move(values)});
}

std::vector<TensorEntry> HostTensors::entries() const {
  std::vector<TensorEntry> entries;
  for (const Item& item : items_)
    entries.push_back({item.name, ElementType::f32, item.shape, std::as_bytes(std::span(item.values))});
  return entries;
}

HostTensors host_weights(const ParameterStore& parameters) {
  HostTensors host;
  for (const Parameter* parameter : parameters.parameters())
    host.add(parameter->path(), parameter->value(), wanted("", *parameter).filters);
  for (const Buffer* buffer : parameters.buffers()) host.add(buffer->path(), buffer->value(), false);
  return host;
}

void save_weights(const std::filesystem::path& path, const ParameterStore& parameters, const Metadata& metadata) {
  const HostTensors host = host_weights(parameters);
  const std::vector<TensorEntry> entries = host.entries();
  require_finite(entries, "not saving " + shown(path));
  write_safetensors(path, entries, metadata);
}

void read_tensor(const TensorFile& file, const std::string& name, const Tensor& to) {
  const TensorEntry& entry = file.at(name);
  const std::vector<std::int64_t> expected = file_shape(to.shape(), false);
  if (entry.shape != expected)
    throw WeightsError(file.where() + ": " + name + " has shape " + to_text(entry.shape) + ", expected " +
                       to_text(expected));
  fill(to, {name, to.shape(), false}, entry, file.where());
}

void require_weights_of(Module& network, const TensorFile& file, std::span<const std::string> except) {
  const std::vector<Wanted> all = wanted_by(network);
  match(file, all, except, foreign_prefix(file, all));
}

std::vector<std::string> load_weights(const TensorFile& file, ParameterStore& parameters,
                                      std::span<const std::string> except) {
  const std::vector<Wanted> all = wanted_by(parameters);
  const std::string prefix = foreign_prefix(file, all);
  const std::vector<const TensorEntry*> found = match(file, all, except, prefix);
  std::vector<Tensor> targets;
  for (const Parameter* parameter : parameters.parameters()) targets.push_back(parameter->value());
  for (const Buffer* buffer : parameters.buffers()) targets.push_back(buffer->value());
  std::set<std::string_view> converted;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!found[i]) continue;
    fill(targets[i], all[i], *found[i], file.where());
    if (found[i]->dtype != ElementType::f32) converted.insert(word_of(found[i]->dtype));
  }
  parameters.values_changed();

  std::vector<std::string> notes;
  if (!prefix.empty()) notes.push_back(file.where() + ": every name begins with '" + prefix + "', which is left out");
  for (const std::string_view type : converted)
    notes.push_back(file.where() + ": " + std::string(type) + " is converted to float32" +
                    (type == "F64" ? ", rounded to 24 bits" : ""));
  return notes;
}

}  // namespace tessera
