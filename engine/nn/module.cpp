#include "engine/nn/module.h"

#include <utility>

namespace tessera {

void Visitor::operator()(const std::string& name, Module& module) {
  const std::string outer = std::exchange(prefix_, join(name));
  module.path_ = prefix_;
  on_module(prefix_, module);
  module.visit(*this);
  prefix_ = outer;
}

}  // namespace tessera
