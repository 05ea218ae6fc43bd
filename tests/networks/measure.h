// Measured: what a network gives for the generator's weights, images and labels on some device, in files' names and layouts.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/catalogue.h"

namespace tessera::golden {

// One tensor in its file layout (filters O,I,H,W).
struct FileTensor {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

struct Measured {
  std::vector<double> logits;  // of an evaluation pass, [batch, outputs]
  double loss = 0;             // of one training step, penalty included
  std::vector<std::int32_t> labels;
  std::map<std::string, FileTensor> gradients;   // of that step, by parameter; no values where none arrived
  std::map<std::string, FileTensor> statistics;  // running values after it, by buffer
};

// The fast backends always; the reference takes seconds for a small network and half a minute for a large one, the emulator
// thirty times that.
enum class Breadth { fast, and_reference, and_emulated };

// How each network is tested. A new network needs a row here, and one in oracle.py.
struct NetworkTest {
  const char* id;  // of the network, or a name for its variant
  std::int64_t total, trainable, non_trainable;
  std::int64_t batch;         // large enough that batch norm over the smallest map is well conditioned
  double gradient_tolerance;  // rms error of a gradient in float32, of the tensor's rms (kinks of ReLU and max-pool)
  Breadth where;
  const char* network = nullptr;  // where id is not a network's own
  const char* prefix = nullptr;   // of the generated numbers; null: id
  bool residual = true;
};
std::span<const NetworkTest> network_tests();
const NetworkTest& test_of(const NetworkEntry& entry);            // throws where there is no row
std::unique_ptr<Network> build_network(const NetworkTest& test);  // without dropout

// A tensor's values from the generator, and its values in its file layout.
void generate(const std::string& prefix, const std::string& name, const Tensor& to);
FileTensor to_file(const Tensor& tensor);

// dtype f64: the reference device only.
Measured measure(const NetworkTest& test, const std::shared_ptr<Device>& device, DType dtype);

}  // namespace tessera::golden
