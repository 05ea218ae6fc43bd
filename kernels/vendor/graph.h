// Operation graphs of cuDNN's backend API: tensors, and operations that join them. What every graph of this overlay needs;
// the operations themselves stand in conv2d_graph, batch_norm_graph and max_pool_graph.
//
// The library names axes N,C,H,W (filters K,C,R,S) whatever lies in memory; strides say that ours is N,H,W,C and K,R,S,C.
// Operands have names (unique identifiers in the graph), given once more with their addresses when a plan runs. What one
// operation hands the next is a virtual tensor: float32, in registers only, so a result is rounded once.
// Source: cudnnBackend documentation, CUDNN_BACKEND_TENSOR_DESCRIPTOR, _POINTWISE_DESCRIPTOR, _OPERATIONGRAPH_DESCRIPTOR.
#pragma once

#include <deque>

#include "kernels/vendor/descriptor.h"
#include "kernels/view.h"

namespace tessera::kernels::vendor {

// clang-format off
enum class Operand : std::int64_t {
  x = 1, w, y, scale, shift, residual,  // y = f(scale·… + shift + residual)
  dx, dw, dy, dscale, dshift,           // gradients
  mean, rstd, epsilon,                  // batch normalisation
  index,                                // max pooling: which cell won
  one                                   // the number 1
};
// clang-format on

// Extents of a tensor in the order in which it lies in memory: N,H,W,C or K,R,S,C.
struct Extents {
  std::int64_t n, h, w, c;
};
constexpr Extents per_channel(std::int64_t channels) { return {1, 1, 1, channels}; }

// What plans are made for: the device of a handle, or with `device` one that need not be here (a device property
// descriptor), for tests on machines without a GPU.
struct Target {
  const Cudnn& cudnn;
  cudnnHandle_t handle = nullptr;
  const Descriptor* device = nullptr;
};

struct Graph {
  std::deque<Descriptor> parts;  // what `operations` is made of: its tensors and operations
  Descriptor operations;
};

// Makes one graph. All functions throw DeviceError where cuDNN refuses what it is told.
class GraphBuilder {
 public:
  // alignment: of every operand's address, in bytes.
  GraphBuilder(const Target& target, int alignment) : target_(target), alignment_(alignment) {}

  const Descriptor& tensor(Operand name, const Extents& extents, DType type);
  const Descriptor& virtual_tensor(const Extents& extents);
  const Descriptor& number(Operand name);  // one float32, whose address is the host's: read when a plan runs

  // To be filled and finalized: a description that operations name, and an operation.
  Descriptor& part(cudnnBackendDescriptorType_t type) { return parts_.emplace_back(target_.cudnn, type); }
  Descriptor& operation(cudnnBackendDescriptorType_t type);

  // y = mode(x) or mode(x, with), element by element in float32; `with` may be one value a channel.
  void pointwise(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* with, const Descriptor& y);

  Graph finish() &&;

 private:
  Descriptor& layout(std::int64_t name, const Extents& extents, cudnnDataType_t type);

  const Target& target_;
  int alignment_;
  std::deque<Descriptor> parts_;  // a deque: references to its elements stay valid
  std::vector<const Descriptor*> operations_;
  std::int64_t next_virtual_ = 100;
};

// Cells of padding behind the input, as cuDNN wants to be told: what the outputs' windows reach beyond it.
std::int64_t padding_behind(std::int64_t input, std::int64_t window, std::int64_t output, std::int64_t stride,
                            std::int64_t before);
// Whether cuDNN's rule, output = ⌊(input + before + behind − window)/stride⌋ + 1, then gives this output.
bool whole_windows(std::int64_t input, std::int64_t window, std::int64_t output, std::int64_t stride, std::int64_t before);

}  // namespace tessera::kernels::vendor
