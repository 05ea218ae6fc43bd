// A labelled image data set in memory, as every reader gives it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

struct ImageSet {
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels = {};  // [count, height, width, channels]
  std::vector<std::int32_t> labels = {};  // [count]

  std::int64_t image_size() const { return height * width * channels; }
  std::span<const std::uint8_t> image(std::int64_t index) const {
    return std::span(pixels).subspan(static_cast<std::size_t>(index * image_size()), static_cast<std::size_t>(image_size()));
  }
};

// Which training images came from which file: images [begin, end) of Dataset::train.
struct Part {
  std::string name;  // without folder and extension: "data_batch_5"
  std::int64_t begin = 0, end = 0;
};

struct Dataset {
  ImageSet train, test;
  ImageSet validation;               // where the data says which images these are; else empty, and cut from train
  std::vector<std::string> classes;  // name of label 0, 1, …
  std::vector<Part> train_parts;     // in order; covers train
  std::string description;           // one line: format, place, counts
  std::vector<std::string> warnings;

  std::optional<Part> part(std::string_view name) const;
};

// Short printable UTF-8 without commas, which part names in files of weights.
bool may_name_class(std::string_view name);

// Images [begin, end), cut to what is there.
ImageSet slice(const ImageSet& set, std::int64_t begin, std::int64_t end);
// The images at these places, in this order.
ImageSet pick(const ImageSet& set, std::span<const std::int64_t> indices);
// The images whose label is among `labels`, in file order; labels[i] becomes i. Labels below 0 are of no image.
ImageSet keep_classes(const ImageSet& set, std::span<const std::int32_t> labels);
// For each of `names` the place of the class of that name, in any normal form of Unicode; -1 where there is none.
std::vector<std::int32_t> find_labels(std::span<const std::string> classes, std::span<const std::string> names);
// Labels of the class names that a command line gives: one an argument, or several with blanks or commas between them. A
// name that the data set has not is a UsageError listing those it has.
std::vector<std::int32_t> labels_of(const Dataset& dataset, std::span<const std::string> names);
// Images for each label 0 … classes-1.
std::vector<std::int64_t> class_counts(const ImageSet& set, std::int64_t classes);

// Hexadecimal SHA-256 of shape, labels and pixels: a resumed run checks that it sees the same data.
std::string digest(const ImageSet& set);

}  // namespace tessera
