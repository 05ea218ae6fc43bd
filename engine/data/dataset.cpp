#include "engine/data/dataset.h"

#include <algorithm>
#include <map>
#include <string>

#include "engine/core/error.h"
#include "engine/core/utf8.h"
#include "engine/data/normal_form.h"
#include "engine/files/sha256.h"

namespace tessera {

std::optional<Part> Dataset::part(std::string_view name) const {
  for (const Part& candidate : train_parts)
    if (candidate.name == name) return candidate;
  return std::nullopt;
}

bool may_name_class(std::string_view name) {
  constexpr std::size_t longest = 200;
  return !name.empty() && name.size() <= longest && is_utf8(name) &&
         std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f || c == ','; });
}

ImageSet slice(const ImageSet& set, std::int64_t begin, std::int64_t end) {
  begin = std::clamp<std::int64_t>(begin, 0, set.count);
  end = std::clamp(end, begin, set.count);
  ImageSet out{.count = end - begin, .height = set.height, .width = set.width, .channels = set.channels};
  const std::int64_t size = set.image_size();
  out.pixels.assign(set.pixels.begin() + begin * size, set.pixels.begin() + end * size);
  out.labels.assign(set.labels.begin() + begin, set.labels.begin() + end);
  return out;
}

ImageSet pick(const ImageSet& set, std::span<const std::int64_t> indices) {
  ImageSet out{.count = static_cast<std::int64_t>(indices.size()),
               .height = set.height,
               .width = set.width,
               .channels = set.channels};
  out.pixels.reserve(indices.size() * static_cast<std::size_t>(set.image_size()));
  out.labels.reserve(indices.size());
  for (const std::int64_t index : indices) {
    if (index < 0 || index >= set.count)
      throw UsageError("image " + std::to_string(index) + " asked for, but there are " + std::to_string(set.count) +
                       " (0 to " + std::to_string(set.count - 1) + ")");
    const std::span<const std::uint8_t> image = set.image(index);
    out.pixels.insert(out.pixels.end(), image.begin(), image.end());
    out.labels.push_back(set.labels[static_cast<std::size_t>(index)]);
  }
  return out;
}

ImageSet keep_classes(const ImageSet& set, std::span<const std::int32_t> labels) {
  std::map<std::int32_t, std::int32_t> renumbered;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) renumbered.emplace(labels[i], static_cast<std::int32_t>(i));
  std::vector<std::int64_t> indices;
  std::vector<std::int32_t> relabelled;
  for (std::int64_t i = 0; i < set.count; ++i) {
    const auto found = renumbered.find(set.labels[static_cast<std::size_t>(i)]);
    if (found == renumbered.end()) continue;
    indices.push_back(i);
    relabelled.push_back(found->second);
  }
  ImageSet out = pick(set, indices);
  out.labels = std::move(relabelled);
  return out;
}

std::vector<std::int32_t> find_labels(std::span<const std::string> classes, std::span<const std::string> names) {
  std::map<std::string, std::int32_t> known;
  for (std::size_t i = 0; i < classes.size(); ++i) known.emplace(normal_form(classes[i]), static_cast<std::int32_t>(i));
  std::vector<std::int32_t> labels;
  for (const std::string& name : names) {
    const auto found = known.find(normal_form(name));
    labels.push_back(found == known.end() ? -1 : found->second);
  }
  return labels;
}

std::vector<std::int32_t> labels_of(const Dataset& dataset, std::span<const std::string> names) {
  // A name with blanks in it comes before several names.
  std::vector<std::string> single;
  for (const std::string& name : names) {
    if (find_labels(dataset.classes, std::span(&name, 1))[0] >= 0) {
      single.push_back(name);
      continue;
    }
    const std::size_t before = single.size();
    constexpr const char* between = " ,\t\n";
    for (std::size_t at = name.find_first_not_of(between); at != name.npos;) {
      const std::size_t end = name.find_first_of(between, at);
      single.push_back(name.substr(at, end == name.npos ? end : end - at));
      at = end == name.npos ? end : name.find_first_not_of(between, end);
    }
    if (single.size() == before) single.push_back(name);
  }
  const std::vector<std::int32_t> labels = find_labels(dataset.classes, single);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) {
      std::string known;
      for (const std::string& other : dataset.classes) known += (known.empty() ? "" : ", ") + other;
      throw UsageError("no class " + printable(single[i]) + " in this data set; it has " + known);
    }
    if (std::find(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(i), labels[i]) !=
        labels.begin() + static_cast<std::ptrdiff_t>(i))
      throw UsageError("the class " + printable(single[i]) + " is named twice");
  }
  return labels;
}

std::vector<std::int64_t> class_counts(const ImageSet& set, std::int64_t classes) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(classes), 0);
  for (const std::int32_t label : set.labels)
    if (label >= 0 && label < classes) ++counts[static_cast<std::size_t>(label)];
  return counts;
}

std::string digest(const ImageSet& set) {
  Sha256 hash;
  for (const std::int64_t extent : {set.count, set.height, set.width, set.channels})
    hash.update(std::as_bytes(std::span(&extent, 1)));
  hash.update(std::as_bytes(std::span(set.labels)));
  hash.update(std::as_bytes(std::span(set.pixels)));
  return to_hex(hash.finish());
}

}  // namespace tessera
