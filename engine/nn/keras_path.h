// Where the layers of a network's original lie in the files of Keras 3.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tessera {

// A part of a layer's dotted path here, and what stands for it there. `*` is a number: "blocks.*" are the parts "blocks.0",
// "blocks.1", …; there the number follows the name of the class from the second on: "unit*" are unit, unit_1, unit_2, …
struct KerasPart {
  std::string_view own, keras;
};

// "blocks.2.c1" → "blocks/layers/resnet_block_2/c1" by {"blocks.*", "blocks/layers/resnet_block*"}. Parts that are not listed
// stay as they are: layers kept as attributes of the same names. (Keras walks attributes by name, "layers", the list of all,
// among them: what comes behind it in the alphabet lies there, under the names of classes.)
std::string keras_path(std::string_view layer, std::span<const KerasPart> parts);

}  // namespace tessera
