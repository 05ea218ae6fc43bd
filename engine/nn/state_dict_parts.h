// Networks whose original in PyTorch calls some of its modules otherwise.
#pragma once

#include <span>
#include <string_view>

namespace tessera {

// Whole parts at the beginning of a parameter's dotted path here, and what stands for them in the original's state dict.
struct StateDictPart {
  std::string_view own, original;
};

// To be inherited beside Network by those that are such.
class StateDictNames {
 public:
  virtual ~StateDictNames() = default;
  virtual std::span<const StateDictPart> state_dict_parts() const = 0;
};

}  // namespace tessera
