// What training does to its images, drawn anew for every image in every epoch (kernels/params.h: GatherParams, AlterParams,
// MixParams).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera {

struct Augmentation {
  std::int32_t crop = 0;   // cells on each side, of which a window of the image's size is cut at a random place
  bool reflect = false;    // those cells mirror the image about its border; else they are zeros
  bool flip = false;       // mirrored left to right with probability ½
  bool alternate = false;  // with flip: drawn once for each image, and in every odd epoch the other way

  bool jitter = false;                 // brightness, contrast and saturation times 0.6 … 1.4
  bool cutout = false;                 // a square of zeros, half as wide as the image
  bool mixup = false, cutmix = false;  // means with, boxes of another image of the batch, whose label then counts too

  bool operator==(const Augmentation&) const = default;

  // "none", "standard", or the names of its kinds with commas between them: "crop,flip".
  std::string text() const;
  // The reverse; none where a name is not known.
  static std::optional<Augmentation> parse(std::string_view text);
  static std::string all_names();  // "none, standard, crop, flip, jitter, …"

  static const Augmentation none, standard, airbench;
};

inline constexpr Augmentation Augmentation::none{};
// He et al. 2015, section 4.2: padded by 4.
inline constexpr Augmentation Augmentation::standard{.crop = 4, .flip = true};
// Jordan 2024 (arXiv 2404.00498): alternating flips, and crops of what is padded by reflecting 2 cells.
inline constexpr Augmentation Augmentation::airbench{.crop = 2, .reflect = true, .flip = true, .alternate = true};

}  // namespace tessera
