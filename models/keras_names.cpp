#include "models/keras_names.h"

#include <array>
#include <map>

namespace tessera {
namespace {

// axes[i]: which axis of `from` becomes axis i.
std::vector<float> transposed(const std::vector<float>& from, const std::array<std::int64_t, 4>& shape,
                              const std::array<std::size_t, 4>& axes) {
  const std::array<std::int64_t, 4> stride = {shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1};
  std::vector<float> to;
  to.reserve(from.size());
  for (std::int64_t a = 0; a < shape[axes[0]]; ++a)
    for (std::int64_t b = 0; b < shape[axes[1]]; ++b)
      for (std::int64_t c = 0; c < shape[axes[2]]; ++c)
        for (std::int64_t d = 0; d < shape[axes[3]]; ++d)
          to.push_back(from[static_cast<std::size_t>(a * stride[axes[0]] + b * stride[axes[1]] + c * stride[axes[2]] +
                                                     d * stride[axes[3]])]);
  return to;
}

}  // namespace

void to_keras(std::vector<NamedValues>& variables, const NetworkEntry& network) {
  if (network.keras_name.empty()) {
    std::string known;
    for (const NetworkEntry& entry : catalogue())
      if (!entry.keras_name.empty()) known += (known.empty() ? "" : ", ") + std::string(entry.id);
    throw UsageError("--names keras: known for " + known + ", not for " + network.id);
  }
  std::map<std::string, int> layers;  // how many of each kind so far
  std::string layer, kind;
  std::int64_t maps = 0;  // channels of the last convolution, until a linear layer has taken them
  for (NamedValues& variable : variables) {
    const std::size_t dot = variable.name.rfind('.');
    const bool is_weight = variable.name.substr(dot + 1) == "weight";
    if (const std::string owner = variable.name.substr(0, dot); owner != layer) {
      layer = owner;
      const std::size_t rank = variable.shape.size();
      const std::string type = rank == 4 ? "conv2d" : rank == 2 ? "dense" : "batch_normalization";
      const int number = layers[type]++;
      kind = number == 0 ? type : type + "_" + std::to_string(number);
    }
    const bool is_norm = kind.starts_with("batch");
    variable.name = std::string(network.keras_name) + "/" + kind + "/" +
                    (is_weight ? (is_norm ? "gamma" : "kernel") : (is_norm ? "beta" : "bias")) + ":0";
    const std::vector<std::int64_t> s = variable.shape;
    if (s.size() == 4) {
      variable.values = transposed(variable.values, {s[0], s[1], s[2], s[3]}, {2, 3, 1, 0});
      variable.shape = {s[2], s[3], s[1], s[0]};
      maps = s[0];
    } else if (s.size() == 2) {
      const std::int64_t channels = maps > 0 ? maps : s[1];
      variable.values = transposed(variable.values, {s[0], channels, s[1] / channels, 1}, {2, 1, 3, 0});
      variable.shape = {s[1], s[0]};
      maps = 0;
    }
  }
}

}  // namespace tessera
