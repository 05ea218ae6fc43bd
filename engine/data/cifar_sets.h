// The published CIFAR sets: how their files are named, what a record holds, which labels there are. Internal to the readers
// of CIFAR; a set is one row in cifar_sets.cpp.
// Source: Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include <cstdint>
#include <span>

#include "engine/data/dataset.h"

namespace tessera::cifar {

inline constexpr std::int64_t side = 32, plane = side * side, channels = 3, image_bytes = channels * plane;

// One way in which a set labels its images.
struct Labels {
  const char* word;                             // what --labels calls it; empty where there is only one
  std::int64_t byte;                            // its place in a record of the binary version
  std::int64_t classes;                         // labels are 0 … classes − 1
  const char *names_text, *key, *names_key;     // binary version: file of names; python version: keys of labels and names
  std::span<const char* const> standard_names;  // where a folder has none; empty: numbers
};

struct Set {
  const char* name;
  const char *train, *test, *names;            // files without .bin; training files are numbered where there are several
  std::int64_t train_files;                    // officially
  std::int64_t images_per_train, images_test;  // officially, of a file
  std::span<const Labels> labels;              // the usual ones first

  std::int64_t record() const { return static_cast<std::int64_t>(labels.size()) + image_bytes; }
};
std::span<const Set> sets();

inline ImageSet empty_set() { return {.count = 0, .height = side, .width = side, .channels = channels}; }

inline void reserve(ImageSet& set, std::int64_t count) {
  set.labels.reserve(static_cast<std::size_t>(count));
  set.pixels.reserve(static_cast<std::size_t>(count * image_bytes));
}

// Planes R, G, B of one image become H,W,C.
inline void append(ImageSet& set, std::int32_t label, const std::uint8_t* planes) {
  set.labels.push_back(label);
  set.pixels.resize(set.pixels.size() + static_cast<std::size_t>(image_bytes));
  std::uint8_t* to = set.pixels.data() + set.count * image_bytes;
  for (std::int64_t p = 0; p < plane; ++p)
    for (std::int64_t c = 0; c < channels; ++c) to[p * channels + c] = planes[c * plane + p];
  ++set.count;
}

}  // namespace tessera::cifar
