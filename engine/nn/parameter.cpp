#include "engine/nn/parameter.h"

namespace tessera {

Variable Parameter::in(const Context& context) const {
  if (!present_) return {};
  if (!value_) throw Error(ExitCode::failure, "parameter " + path_ + " has no memory yet: build a ParameterStore first");
  return {value_, context.gradients && trainable_ && !resting_ ? node_ : nullptr, rounded_};
}

}  // namespace tessera
