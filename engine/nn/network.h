// Network: a module that maps a batch of inputs to outputs (of a classifier: images to logits), and the loss that trains it.
#pragma once

#include <optional>
#include <span>

#include "engine/core/fields.h"
#include "engine/nn/keras_path.h"
#include "engine/nn/module.h"

namespace tessera {

// What a caller may change about a network of the catalogue.
struct NetworkOptions {
  std::optional<std::int64_t> outputs = {};     // size of the head
  std::optional<double> dropout = {};           // of every dropout layer it has
  std::optional<std::int64_t> image_size = {};  // rows and columns of an image
  std::int64_t channels = 3;                    // of an image
  bool residual = true;                         // false: without the residual adds, where the network knows that variant

  template <class F>
  void fields(F& f) {
    f("outputs", outputs, {.least = 1, .most = 1e6});
    f("dropout", dropout, {.least = 0, .most = 0.999});
    f("image_size", image_size, {.least = 1, .most = 4096});
    f("channels", channels, {.least = 1, .most = 4});
    f("residual", residual);
  }
};

class Network : public Module {
 public:
  // x: [N,H,W,C] → logits [N,outputs]; any shapes, where nothing but the network itself and its caller see them.
  virtual Variable forward(const Context& context, const Variable& x) = 0;

  // The loss of a batch, one element: what training minimises and what evaluation shows, a regulariser included.
  // By default softmax cross-entropy with context.label_smoothing, or sigmoid cross-entropy where there is one output: mean
  // over the batch of Σ over a sample's labels of (label's share · class weight · its cross-entropy).
  // logits: [N,outputs] float32 or float64, labels: [N] int32 → [1].
  virtual Variable loss(const Context& context, const Variable& logits, const Tensor& labels);

  // Shape of one input: height, width, channels. A network whose layers take others (one with a global pool) may be set to
  // another size before its first batch.
  virtual Shape input() const { return input_; }
  void set_input(const Shape& shape) { input_ = shape; }

  // Initial values that depend on the data: on how many training images (0: they do not), and setting them by so many, or as
  // many as there are. images: [N,H,W,C], as the network sees them, without augmentation. Whoever begins a training anew
  // calls it (train/initialize.h).
  virtual std::int64_t initial_images() const { return 0; }
  virtual void initialize(std::span<const float> images, const Shape& shape) { (void)images, (void)shape; }

  // The layer whose outputs are the network's; a new task replaces it. By default the layer that visit() names last, of
  // those with parameters. Error where there is none.
  virtual Module& head();

  // Where its layers lie in Keras 3's files of its original; empty: under their own names.
  virtual std::span<const KerasPart> keras_parts() const { return {}; }

  // The number of outputs: the head's. 1 means a sigmoid output, for two classes.
  std::int64_t outputs();

 private:
  Shape input_{32, 32, 3};
};

}  // namespace tessera
