// Eight-bit inference: how a network is calibrated (train/calibrate.h), computed (nn/inference.h) and kept (run/int8_file.h).
#include <cmath>

#include "engine/files/safetensors.h"
#include "engine/nn/conv_norm.h"
#include "engine/nn/inference.h"
#include "engine/run/int8_file.h"
#include "engine/run/weights.h"
#include "engine/train/calibrate.h"
#include "kernels/errors.h"
#include "models/saved_network.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// A folded batch norm, a residual, a depthwise convolution, which stays float, and a dense layer.
struct Small : Network {
  Small() { set_input({8, 8, 3}); }
  Variable forward(const Context& context, const Variable& x) override {
    const Variable y = conv_norm(context, stem, norm, x, Activation::relu);
    const Variable z = conv_norm(context, inner, inner_norm, depthwise(context, y), Activation::relu, y);
    return head(context, flatten(context, z));
  }
  void visit(Visitor& v) override {
    v("stem", stem), v("norm", norm), v("depthwise", depthwise), v("inner", inner), v("inner_norm", inner_norm);
    v("flatten", flatten), v("head", head);
  }
  Conv2d stem{3, 16, 3, {.padding = Padding::all(1), .bias = false}};
  BatchNorm norm{16};
  Conv2d depthwise{16, 16, 3, {.padding = Padding::all(1), .groups = 16}};
  Conv2d inner{16, 16, 3, {.padding = Padding::all(1)}};
  BatchNorm inner_norm{16};
  Flatten flatten;
  Linear head{16 * 64, 5};
};

struct Subject {
  explicit Subject(int threads = 2) : device(test::open("cpu", threads)), parameters(network, device, 3) {}
  Tensor images(std::int64_t count) const {
    std::vector<float> values(static_cast<std::size_t>(count * 8 * 8 * 3));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(0.37f * static_cast<float>(i * i % 1009));
    return Tensor::from(device, {count, 8, 8, 3}, values);
  }
  Calibration calibrated(double percentile = 100) {
    const Tensor x = images(20);
    return calibrate(network, TensorBatches(x, Tensor::zeros(device, {20}, DType::i32)),
                     {.batch_size = 8, .percentile = percentile});
  }

  std::shared_ptr<Device> device;
  Small network;
  ParameterStore parameters;
};

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return most / largest;
}

}  // namespace

TEST_CASE("int8: calibration finds the products, the ranges of their activations and the scales of their weights") {
  Subject s;
  const Calibration c = s.calibrated();
  REQUIRE(c.quantization.size() == 3);
  CHECK(c.floats == std::vector<std::string>{"depthwise.weight (in groups)"});
  const kernels::Int8Product& stem = c.quantization.at("stem.weight");
  const std::vector<float> images = s.images(20).to_host<float>(), w = s.network.stem.weight.value().to_host<float>();
  const auto [low, high] = std::ranges::minmax(images);
  CHECK(stem.input_scale == Approx((high - low) / 127));
  CHECK(stem.zero_point == static_cast<std::int32_t>(std::nearbyint(-low / stem.input_scale)));
  float most = 0;
  for (std::size_t i = 0; i < 27; ++i) most = std::max(most, std::abs(w[27 + i]));
  CHECK(stem.weight_scales[1] == most / 63);
  CHECK(c.quantization.at("head.weight").zero_point == 0);  // behind a ReLU
  // What lies beyond the percentile is clamped: the range is smaller.
  CHECK(s.calibrated(90).quantization.at("head.weight").input_scale < 0.9f * c.quantization.at("head.weight").input_scale);
}

TEST_CASE("int8: weights and activations of zeros, and next to it, have a scale that can be used; NaN has none") {
  Subject s;
  for (const float value : {0.0f, 1e-40f}) {
    const std::vector<float> stem(16 * 27, value);
    s.network.stem.weight.value().copy_from(std::span<const float>(stem));
    const Quantization q = s.calibrated().quantization;
    CHECK(q.at("stem.weight").weight_scales == std::vector<float>(16, 1.0f));
    Inference floats(s.network), whole(s.network, q);
    CHECK(difference(whole(s.images(2)).to_host<float>(), floats(s.images(2)).to_host<float>()) < 0.05);
  }
  const std::vector<float> bad(16 * 27, NAN);
  s.network.stem.weight.value().copy_from(std::span<const float>(bad));
  CHECK_THROWS_AS(s.calibrated(), NonFiniteError);
}

TEST_CASE("int8: a range wider than float32's largest number is counted all the same") {
  Subject s;
  const std::vector<float> stem(16 * 27, 0.0f);  // what comes of them is finite
  s.network.stem.weight.value().copy_from(std::span<const float>(stem));
  std::vector<float> values(2 * 8 * 8 * 3, 3e38f);
  for (std::size_t i = 0; i < values.size(); i += 2) values[i] = -3e38f;
  const Tensor x = Tensor::from(s.device, {2, 8, 8, 3}, values);
  const TensorBatches samples(x, Tensor::zeros(s.device, {2}, DType::i32));
  const Calibration c = calibrate(s.network, samples, {.percentile = 100});
  CHECK(static_cast<double>(c.quantization.at("stem.weight").input_scale) == Approx(6e38 / 127));
  CHECK(c.quantization.at("stem.weight").zero_point == 64);
}

TEST_CASE("int8: a network's outputs are near those in float32, and of the same bits for any number of threads") {
  std::vector<std::vector<float>> all;
  for (const int threads : {1, 2, 3, 7}) {
    Subject s(threads);
    Inference floats(s.network), whole(s.network, s.calibrated().quantization);
    for (const std::int64_t count : {1, 5}) {
      const Tensor x = s.images(count);
      const std::vector<float> outputs = whole(x).to_host<float>();
      const double far = difference(outputs, floats(x).to_host<float>());
      CHECK(far < 0.05);
      CHECK(far > 1e-5);  // else nothing was computed in eight bits
      all.push_back(outputs);
    }
  }
  for (std::size_t i = 2; i < all.size(); ++i) CHECK(all[i] == all[i % 2]);
}

TEST_CASE("int8: what cannot be computed so is refused") {
  Subject s;
  const Quantization good = s.calibrated().quantization;
  const Tensor x = s.images(1);
  Quantization unknown = good, depthwise = good, norm = good;
  unknown["other.weight"] = good.at("stem.weight");
  CHECK_THROWS_AS(Inference(s.network, unknown)(x), Error);
  depthwise["depthwise.weight"] = good.at("stem.weight");
  CHECK_THROWS_AS(Inference(s.network, depthwise)(x), kernels::MissingKernel);
  norm["norm.weight"] = good.at("stem.weight");  // meets no product
  CHECK_THROWS_AS(Inference(s.network, norm)(x), Error);
  const std::shared_ptr<Device> other = reference();
  Small network;
  const ParameterStore parameters(network, other, 3);
  CHECK_THROWS_AS(Inference(network, good)(Tensor::zeros(other, {1, 8, 8, 3}, DType::f32)), kernels::DeviceError);
}

TEST_CASE("int8: what is not finite in float32 is no answer in eight bits either") {
  for (const float bad : {NAN, INFINITY}) {  // in the images, and so in what meets every product
    Subject s;
    Inference floats(s.network), whole(s.network, s.calibrated().quantization);
    std::vector<float> values = s.images(2).to_host<float>();
    values[8 * 8 * 3 + 100] = bad;
    const Tensor x = Tensor::from(s.device, {2, 8, 8, 3}, values);
    const std::vector<float> expected = floats(x).to_host<float>(), outputs = whole(x).to_host<float>();
    for (std::size_t i = 0; i < outputs.size(); ++i) CHECK(std::isfinite(outputs[i]) == std::isfinite(expected[i]));
    CHECK_FALSE(std::isfinite(outputs[5]));
  }
  Subject s;
  const Quantization good = s.calibrated().quantization;
  const Tensor x = s.images(1);
  Quantization large = good;  // scales that are finite, and whose product is not
  large["inner.weight"].input_scale = 3e38f;
  large["inner.weight"].weight_scales[3] = 1e10f;
  CHECK_THROWS_AS(Inference(s.network, large)(x), NonFiniteError);
  std::vector<float> variance(16, 1.0f);
  variance[2] = -1;
  s.network.inner_norm.running_var.value().copy_from(std::span<const float>(variance));
  CHECK_THROWS_AS(Inference(s.network, good)(x), NonFiniteError);
  variance[2] = 1;
  s.network.inner_norm.running_var.value().copy_from(std::span<const float>(variance));
  const std::vector<float> bias{0, 0, NAN, 0, 0};
  s.network.head.bias.value().copy_from(std::span<const float>(bias));
  CHECK_THROWS_AS(Inference(s.network, good)(x), NonFiniteError);
}

TEST_CASE("int8: a scale that depends on the images is an error, and not the product in float32") {
  struct Scaled : Network {  // by its own input
    Scaled() { set_input({1, 1, 3}); }
    Variable forward(const Context& context, const Variable& x) override {
      const Tensor one = norm.bias.value();
      return Variable(conv2d_folded(x, conv.weight.in(context), {}, {},
                                    {.gamma = x.value().reshape({3}),
                                     .beta = one,
                                     .running_mean = one,
                                     .running_var = norm.running_var.value(),
                                     .params = norm.params(Activation::none)},
                                    {}));
    }
    void visit(Visitor& v) override { v("conv", conv), v("norm", norm); }
    Conv2d conv{3, 3, 1, {.bias = false}};
    BatchNorm norm{3};
  } network;
  const std::shared_ptr<Device> device = test::open("cpu", 1);
  const ParameterStore parameters(network, device, 3);
  const Tensor x = Tensor::zeros(device, {1, 1, 1, 3}, DType::f32);
  CHECK_NOTHROW(Inference(network)(x));
  CHECK_THROWS_WITH(Inference(network, {{"conv.weight", {{1, 1, 1}, 1, 0}}})(x), Catch::Contains("depends on the images"));
}

TEST_CASE("int8: a file gives back the same products and weights, and a damaged one is an error") {
  Subject s;
  const Quantization quantization = s.calibrated().quantization;
  const Bytes bytes = encode_int8(s.parameters, quantization, {{"network", "small"}});
  const Safetensors file = Safetensors::parse(bytes, "small");
  REQUIRE(is_int8(file));
  CHECK(file.at("stem.weight").dtype == ElementType::i8);
  CHECK(file.at("depthwise.weight").dtype == ElementType::f32);
  Quantization read;
  const TensorFile floats = floats_of_int8(file, read);
  CHECK(read == quantization);

  // Kept once and read, its numbers are the whole ones that were computed with.
  Inference before(s.network, quantization);
  const std::vector<float> expected = before(s.images(3)).to_host<float>();
  Subject again;
  load_weights(floats, again.parameters);
  Inference after(again.network, read);
  CHECK(after(again.images(3)).to_host<float>() == expected);
  CHECK(encode_int8(again.parameters, read, {{"network", "small"}}) == bytes);

  const auto damaged = [&](const std::string& name, std::vector<float> values, std::vector<std::int64_t> shape) {
    TensorFile other("damaged");
    for (const TensorEntry& entry : file.tensors()) {
      if (entry.name != name)
        other.add(entry);
      else if (!shape.empty())
        other.add({name, ElementType::f32, shape, std::as_bytes(std::span(values))});
    }
    other.set_metadata(file.metadata());
    Quantization ignored;
    CHECK_THROWS_AS(floats_of_int8(other, ignored), WeightsError);
  };
  damaged("head.weight.input", {0, 3}, {2});
  damaged("head.weight.input", {1, 128}, {2});
  damaged("head.weight.input", {1, 0.5f}, {2});
  damaged("head.weight.input", {1}, {1});
  damaged("head.weight.input", {}, {});
  damaged("head.weight.scale", {1, 1, 1, 1, 0}, {5});
  damaged("head.weight.scale", {1, 1, 1, 1, 1e-45f}, {5});
  damaged("head.weight.scale", {1, 1}, {2});
  TensorFile none("damaged");
  for (const TensorEntry& entry : floats.tensors()) none.add(entry);
  none.set_metadata(file.metadata());
  Quantization fresh;
  CHECK_THROWS_WITH(floats_of_int8(none, fresh), Catch::Contains("none of its tensors is I8"));
  require_int8_of(s.network, file, quantization);
  Quantization more = quantization;
  more["depthwise.weight"] = quantization.at("stem.weight");
  CHECK_THROWS_WITH(require_int8_of(s.network, file, more), Catch::Contains("small: tensor 'depthwise.weight'"));
  more = {{"other.weight", quantization.at("stem.weight")}};
  CHECK_THROWS_WITH(require_int8_of(s.network, file, more), Catch::Contains("small: tensor 'other.weight'"));
  TensorFile most("damaged");
  std::vector<std::int8_t> beyond(16 * 64 * 5, 64);
  for (const TensorEntry& entry : file.tensors())
    most.add(entry.name == "head.weight"
                 ? TensorEntry{entry.name, entry.dtype, entry.shape, std::as_bytes(std::span(beyond))}
                 : entry);
  most.set_metadata(file.metadata());
  CHECK_THROWS_WITH(floats_of_int8(most, read), Catch::Contains("-63 to 63"));
}
