// Network: a module that maps a batch of images to logits.
#pragma once

#include <optional>

#include "engine/core/fields.h"
#include "engine/nn/module.h"

namespace tessera {

// What a caller may change about a network of the catalogue.
struct NetworkOptions {
  std::optional<std::int64_t> outputs;  // size of the head
  std::optional<double> dropout;        // of every dropout layer it has
  bool residual = true;                 // false: without the residual adds, where the network knows that variant

  template <class F>
  void fields(F& f) {
    f("outputs", outputs, {.least = 1, .most = 1e6});
    f("dropout", dropout, {.least = 0, .most = 0.999});
    f("residual", residual);
  }
};

class Network : public Module {
 public:
  // x: [N,H,W,C] → logits [N,outputs]
  virtual Variable forward(const Context& context, const Variable& x) = 0;

  // A term of the loss that depends on parameters alone (an L2 regulariser), one element; none by default.
  // It is part of the training loss and of every loss that is displayed.
  virtual Variable penalty(const Context&) { return {}; }

  // Its number of outputs; 1 means a sigmoid output (binary cross-entropy).
  virtual std::int64_t outputs() const = 0;
};

}  // namespace tessera
