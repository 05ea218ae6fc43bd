// Names and layouts of other programs' weights, worked out by hand on a network of one layer of each kind.
#include "engine/run/own_names.h"

#include "engine/nn/layers.h"
#include "engine/run/weights.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct OneOfEach : Network {
  Variable forward(const Context& context, const Variable& x) override {
    return linear(context, flatten(context, norm(context, conv(context, x))));
  }
  void visit(Visitor& v) override { v("conv", conv), v("norm", norm), v("flatten", flatten), v("linear", linear); }
  Conv2d conv{2, 3, 2};  // [3,2,2,2] in files: O,I,H,W
  BatchNorm norm{3};
  Flatten flatten;
  Linear linear{3 * 2, 2};  // of 3 channels of two cells
};

// Its tensors with the numbers 0, 1, 2, … in their order.
TensorFile counted(OneOfEach& network) {
  const ParameterStore parameters(network, reference(), 1);
  TensorFile file("own");
  float next = 0;
  const HostTensors host = host_weights(parameters);
  for (TensorEntry entry : host.entries()) {
    std::vector<float> values(entry.bytes.size() / sizeof(float));
    for (float& value : values) value = next++;
    const ByteSpan bytes = std::as_bytes(std::span(values));
    entry.bytes = file.keep(Bytes(bytes.begin(), bytes.end()));
    file.add(std::move(entry));
  }
  return file;
}

std::vector<float> values_of(const TensorFile& file, const std::string& name) {
  const TensorEntry* tensor = file.find(name);
  REQUIRE(tensor != nullptr);
  const auto* first = reinterpret_cast<const float*>(tensor->bytes.data());
  return {first, first + tensor->bytes.size() / sizeof(float)};
}

void require_same(const TensorFile& a, const TensorFile& b) {
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const TensorEntry& tensor : a.tensors()) {
    INFO(tensor.name);
    REQUIRE(b.find(tensor.name) != nullptr);
    CHECK(tensor.shape == b.find(tensor.name)->shape);
    CHECK(values_of(a, tensor.name) == values_of(b, tensor.name));
  }
}

}  // namespace

TEST_CASE("Keras' names and layouts: filters h,w,i,o; linear weights in,out; flattened maps h,w,c") {
  OneOfEach network;
  const TensorFile own = counted(network), keras = foreign_names(own, network, TensorNames::keras);
  CHECK(keras.names() == TensorNames::keras);
  const TensorEntry* kernel = keras.find("conv/kernel");
  REQUIRE(kernel != nullptr);
  CHECK(kernel->shape == std::vector<std::int64_t>{2, 2, 2, 3});
  const std::vector<float> filters = values_of(keras, "conv/kernel"), oihw = values_of(own, "conv.weight");
  for (std::size_t o = 0; o < 3; ++o)
    for (std::size_t i = 0; i < 2; ++i)
      for (std::size_t tap = 0; tap < 4; ++tap) CHECK(filters[(tap * 2 + i) * 3 + o] == oihw[(o * 2 + i) * 4 + tap]);
  const std::vector<float> linear = values_of(keras, "linear/kernel"), rows = values_of(own, "linear.weight");
  for (std::size_t out = 0; out < 2; ++out)
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (std::size_t cell = 0; cell < 2; ++cell)
        CHECK(linear[(cell * 3 + channel) * 2 + out] == rows[out * 6 + channel * 2 + cell]);
  CHECK(values_of(keras, "norm/gamma") == values_of(own, "norm.weight"));
  CHECK(values_of(keras, "norm/moving_variance") == values_of(own, "norm.running_var"));

  std::vector<std::string> notes;
  require_same(own_names(keras, network, notes), own);
  CHECK(notes.empty());
}

TEST_CASE("Keras' layers under other paths are taken in their order, each kind by itself, and that is said") {
  OneOfEach network;
  const TensorFile own = counted(network), keras = foreign_names(own, network, TensorNames::keras);
  TensorFile other("other.h5", TensorNames::keras);
  for (TensorEntry tensor : keras.tensors()) {
    tensor.name = "model/" + tensor.name;
    other.add(std::move(tensor));
  }
  TensorEntry stranger{.name = "embedding/table", .dtype = ElementType::f32, .shape = {0}};
  other.add(stranger);
  std::vector<std::string> notes;
  const TensorFile back = own_names(other, network, notes);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Catch::Contains("other.h5") && Catch::Contains("in the order they have in the file"));
  for (const TensorEntry& tensor : own.tensors()) CHECK(values_of(back, tensor.name) == values_of(own, tensor.name));
  CHECK(back.find("embedding/table") != nullptr);  // left for load_weights to complain of
}

TEST_CASE("Paddle's names and layouts: linear weights in,out, statistics by other names; torch's are ours") {
  OneOfEach network;
  const TensorFile own = counted(network), paddle = foreign_names(own, network, TensorNames::paddle);
  CHECK(paddle.find("linear.weight")->shape == std::vector<std::int64_t>{6, 2});
  CHECK(values_of(paddle, "linear.weight")[1] == values_of(own, "linear.weight")[6]);
  CHECK(values_of(paddle, "norm._mean") == values_of(own, "norm.running_mean"));
  CHECK(values_of(paddle, "conv.weight") == values_of(own, "conv.weight"));
  std::vector<std::string> notes;
  require_same(own_names(paddle, network, notes), own);
  require_same(foreign_names(own, network, TensorNames::torch), own);
  require_same(own_names(own, network, notes), own);
  CHECK(notes.empty());
}
