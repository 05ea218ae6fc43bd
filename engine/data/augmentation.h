// What training does to its images, drawn anew for every image in every epoch (kernels/params.h: GatherParams).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera {

struct Augmentation {
  std::int32_t crop = 0;  // cells of zeros on each side, of which a window of the image's size is cut at a random place
  bool flip = false;      // mirrored left to right with probability ½

  bool operator==(const Augmentation&) const = default;

  // "none", "standard", or the names of its kinds with commas between them: "crop,flip".
  std::string text() const;
  // The reverse; none where a name is not known.
  static std::optional<Augmentation> parse(std::string_view text);
  static std::string all_names();  // "none, standard, crop, flip"

  static const Augmentation none, standard;
};

inline constexpr Augmentation Augmentation::none{};
// He et al. 2015, section 4.2: padded by 4.
inline constexpr Augmentation Augmentation::standard{.crop = 4, .flip = true};

}  // namespace tessera
