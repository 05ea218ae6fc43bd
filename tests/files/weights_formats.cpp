// Weights of other programs: samples that these have made (tests/exchange/weight_samples.py), and what we write, read again.
#include "engine/files/weights_file.h"

#include <cstring>
#include <limits>

#include "engine/files/floats.h"
#include "engine/files/state_dict.h"
#include "tests/catch.h"
#include "tests/files/safetensors_support.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

TensorFile sample(const std::string& name) { return read_weights("files/samples/" + name); }

std::vector<float> values(const TensorFile& file, const std::string& name) {
  return to_float32(file.at(name), file.where());
}

using Shape64 = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("PyTorch's files: types, views, shared storages, a state dict inside a checkpoint", "[weights][torch]") {
  for (const char* name : {"state.pth", "checkpoint.pt"}) {
    INFO(name);
    const TensorFile file = sample(name);
    CHECK(file.names() == TensorNames::torch);
    REQUIRE(file.tensors().size() == 8);
    CHECK(file.tensors()[0].name == "a.weight");  // in the order of the state dict
    CHECK(file.at("a.weight").shape == Shape64{2, 3});
    CHECK(values(file, "a.weight") == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(file.at("transposed").shape == Shape64{3, 2});
    CHECK(values(file, "transposed") == std::vector<float>{0, 3, 1, 4, 2, 5});
    CHECK(file.at("count").dtype == ElementType::i64);
    CHECK(file.at("count").shape.empty());
    CHECK(values(file, "half") == std::vector<float>(4, 0.5f));
    CHECK(values(file, "bf16") == std::vector<float>{1.5f, -2});
    CHECK(values(file, "whole").size() == 10);
    CHECK(values(file, "part") == std::vector<float>{2, 3, 4});
    CHECK(values(file, "parameter") == std::vector<float>{3});
  }
  CHECK(error_of<WeightsError>([] { sample("old.pth"); }).find("before 1.6") != std::string::npos);
}

TEST_CASE("NumPy's .npz, stored and deflated, in both orders", "[weights][npz]") {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    INFO(name);
    const TensorFile file = sample(name);
    REQUIRE(file.tensors().size() == 3);
    CHECK(values(file, "a.weight") == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(file.at("transposed").shape == Shape64{3, 2});
    CHECK(values(file, "transposed") == std::vector<float>{0, 3, 1, 4, 2, 5});
    CHECK(file.at("count").dtype == ElementType::i64);
  }
}

TEST_CASE("Paddle's .pdparams of protocols 2 and 4", "[weights][paddle]") {
  for (const char* name : {"protocol2.pdparams", "protocol4.pdparams"}) {
    INFO(name);
    const TensorFile file = sample(name);
    CHECK(file.names() == TensorNames::paddle);
    REQUIRE(file.tensors().size() == 6);
    CHECK(file.at("0.weight").shape == Shape64{3, 2});
    CHECK(values(file, "0.weight") == std::vector<float>{0, 1, 2, 3, 4, 5});
    CHECK(values(file, "1._variance") == std::vector<float>{1, 1});
    CHECK(values(file, "1._mean") == std::vector<float>{0, 0});
  }
}

TEST_CASE("what is written in each format is read again, to the bit", "[weights]") {
  const std::vector<float> numbers = {1.5f, -0.0f, 3e-41f, 4, 5, 6e30f};
  const std::vector<double> doubles = {1.0 / 3, 2};
  const TensorEntry tensors[] = {{"z.weight", ElementType::f32, {2, 3}, std::as_bytes(std::span(numbers))},
                                 {"a.bias", ElementType::f32, {1}, std::as_bytes(std::span(numbers)).first(4)},
                                 {"double", ElementType::f64, {2, 1}, std::as_bytes(std::span(doubles))},
                                 {"scalar", ElementType::i64, {}, std::as_bytes(std::span(doubles)).first(8)},
                                 {"empty", ElementType::f32, {0, 3}, {}}};
  const TemporaryFolder folder;
  for (const char* name : {"w.safetensors", "w.npz", "w.pth", "w.pt", "w.pdparams"}) {
    INFO(name);
    const std::string path = folder / name;
    const WeightsFormat& format = format_to_write(path);
    format.write(Output(path, ExitCode::weights), std::span(tensors), {});
    const std::string first = get(path);
    format.write(Output(path, ExitCode::weights), std::span(tensors), {});
    CHECK(get(path) == first);  // nothing depends on the time
    const TensorFile file = read_weights(path);
    REQUIRE(file.tensors().size() == std::size(tensors));
    for (const TensorEntry& tensor : tensors) {
      const TensorEntry& read = file.at(tensor.name);
      CHECK(read.dtype == tensor.dtype);
      CHECK(read.shape == tensor.shape);
      CHECK(text_of(read.bytes) == text_of(tensor.bytes));
    }
  }
  CHECK(error_of<UsageError>([] { format_to_write("w.txt"); }).find(".npz") != std::string::npos);
}

TEST_CASE("safetensors is told by its header, whose length may begin with another format's mark", "[weights][safetensors]") {
  const TemporaryFolder folder;
  for (const std::size_t length : {96, 128, 384, 640, 896, 1152}) {
    INFO(length);
    std::string header = "{" + entry("w", "F32", "[1]", 0, 4) + "}";
    header.resize(length, ' ');
    const std::string file = file_of(header, std::string(4, '\0'));
    CHECK(parse_weights(to_bytes(file), "f").find("w") != nullptr);
    put(folder / "f", file);
    CHECK(read_weights(folder / "f").find("w") != nullptr);
  }
}

TEST_CASE("a name that a format cannot hold is an error where it is written", "[weights]") {
  const std::vector<float> one = {1};
  const TemporaryFolder folder;
  const auto error_in = [&](const std::string& name, const std::string& file) {
    const TensorEntry tensor{name, ElementType::f32, {1}, std::as_bytes(std::span(one))};
    const std::string path = folder / file;
    return error_of<WeightsError>(
        [&] { format_to_write(path).write(Output(path, ExitCode::weights), std::span(&tensor, 1), {}); });
  };
  CHECK(error_in("a\\b", "w.npz").find("has a backslash") != std::string::npos);
  CHECK(error_in("/a", "w.npz").find("is not relative") != std::string::npos);
  CHECK(error_in("../a", "w.npz").find("leads out of the archive") != std::string::npos);
  CHECK(error_in(std::string("a\0b", 3), "w.npz").find("has a zero byte") != std::string::npos);
  CHECK(error_in(std::string(65532, 'a'), "w.npz").find("more than 65,535 bytes") != std::string::npos);
  CHECK(fs::is_empty(folder.path()));
  CHECK(error_in(std::string(65531, 'a'), "w.npz").empty());
  CHECK(read_weights(folder / "w.npz").tensors()[0].name.size() == 65531);
}

TEST_CASE("the stride of an axis of one element says nothing", "[weights][torch]") {
  const std::uint16_t elements[] = {0, 1, 2, 3, 4, 5};
  constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max();
  const Bytes turned = gather(std::as_bytes(std::span(elements)), 2, {1, 3, 1, 2}, {far, 1, far, 3});
  std::uint16_t result[6];
  REQUIRE(turned.size() == sizeof result);
  std::memcpy(result, turned.data(), sizeof result);
  CHECK(std::vector<int>(result, result + 6) == std::vector<int>{0, 3, 1, 4, 2, 5});
}
