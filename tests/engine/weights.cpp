// Weights files: what is saved comes back bit for bit, and what does not fit is named.
#include "engine/run/weights.h"

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "models/catalogue.h"
#include "tests/catch.h"
#include "tests/engine/devices.h"
#include "tests/engine/tiny_network.h"
#include "tests/temporary_folder.h"

using namespace tessera;
using namespace tessera::test;
using tessera::tests::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

struct Built {
  Built(const std::shared_ptr<Device>& device, std::uint64_t seed, TinyNetwork::Options options = {})
      : network(options), store(network, device, seed) {}
  TinyNetwork network;
  ParameterStore store;
};

std::string error_of(const Bytes& file, ParameterStore& store) {
  try {
    load_weights(Safetensors::parse(file, "weights.safetensors"), store);
    return "";
  } catch (const WeightsError& error) {
    return error.what();
  }
}

std::vector<float> logits(const NetworkEntry& entry, Network& network, const std::shared_ptr<Device>& device) {
  std::vector<float> pixels;
  RandomStream random(1, Purpose::test, stream_of(entry.id));
  for (int i = 0; i < 2 * 32 * 32 * 3; ++i) pixels.push_back(static_cast<float>(random.uniform()));
  return network.forward({}, Tensor::from(device, {2, 32, 32, 3}, std::span<const float>(pixels))).value().to_host<float>();
}

}  // namespace

TEST_CASE("saved weights give the same logits, bit for bit, in a network that began otherwise") {
  const TemporaryFolder folder;
  const auto device = training_device();
  const NetworkEntry& entry = require_network("lenet5_relu");
  const auto saved = entry.make({}), loaded = entry.make({});
  ParameterStore from(*saved, device, 1), to(*loaded, device, 2);
  const std::vector<float> expected = logits(entry, *saved, device);
  CHECK(logits(entry, *loaded, device) != expected);
  save_weights(folder / "a.safetensors", from, {{"network", entry.id}});
  const Safetensors file = Safetensors::read(folder / "a.safetensors");
  CHECK(file.metadata().at("network") == entry.id);
  load_weights(file, to);
  CHECK(logits(entry, *loaded, device) == expected);
  CHECK(to.values().to_host<float>() == from.values().to_host<float>());
}

TEST_CASE("a file holds parameters and running statistics under their paths, filters as O,I,H,W") {
  const auto device = reference();
  Built built(device, 4);
  const Bytes bytes = encode_safetensors(host_weights(built.store).entries(), {});
  const Safetensors file = Safetensors::parse(bytes, "memory");
  CHECK(file.tensors().size() == 10);
  for (const char* name : {"conv.weight", "conv.bias", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var",
                           "unused.weight", "unused.bias", "fc.weight", "fc.bias"})
    CHECK(file.find(name) != nullptr);
  const TensorEntry& conv = file.at("conv.weight");
  REQUIRE(conv.shape == std::vector<std::int64_t>{6, 3, 3, 3});
  const std::vector<float> memory = built.network.conv.weight.value().to_host<float>();
  std::vector<float> oihw(memory.size());
  std::memcpy(oihw.data(), conv.bytes.data(), conv.bytes.size());
  const std::size_t o = 4, i = 2, h = 0, w = 1;  // memory is O,H,W,I
  CHECK(oihw[((o * 3 + i) * 3 + h) * 3 + w] == memory[((o * 3 + h) * 3 + w) * 3 + i]);
}

TEST_CASE("weights that do not fit are listed: missing, of another shape, unknown; and nothing is loaded") {
  const auto device = reference();
  Built from(device, 4), to(device, 5);
  const HostTensors host = host_weights(from.store);
  std::vector<TensorEntry> entries = host.entries();
  const std::vector<float> before = to.store.values().to_host<float>();

  std::vector<TensorEntry> changed;
  for (TensorEntry entry : entries) {
    if (entry.name == "bn.running_mean") continue;
    if (entry.name == "fc.bias") entry.name = "head.bias";
    if (entry.name == "unused.weight") entry.shape = {25, 1};
    changed.push_back(entry);
  }
  const std::string error = error_of(encode_safetensors(changed, {}), to.store);
  CHECK_THAT(error, Catch::Contains("weights.safetensors"));
  CHECK_THAT(error, Catch::Contains("missing: ") && Catch::Contains("bn.running_mean") && Catch::Contains("fc.bias"));
  CHECK_THAT(error, Catch::Contains("unused.weight [25, 1] instead of [5, 5]"));
  CHECK_THAT(error, Catch::Contains("unknown: head.bias"));
  CHECK(to.store.values().to_host<float>() == before);
}

TEST_CASE("the weights of another network of the catalogue are refused") {
  const auto device = reference();
  const auto network = require_network("lenet5_relu").make({});
  const ParameterStore lenet(*network, device, 1);
  Built tiny(device, 1);
  const std::string error = error_of(encode_safetensors(host_weights(lenet).entries(), {}), tiny.store);
  CHECK_THAT(error, Catch::Contains("not the weights of this network") && Catch::Contains("conv_unit.0.weight"));
}

TEST_CASE("num_batches_tracked is accepted and ignored, whatever its type and value") {
  const auto device = reference();
  Built from(device, 4), to(device, 5);
  const HostTensors host = host_weights(from.store);
  const std::uint64_t batches = 0x7ff07f807f807c00;  // infinity as a number of any of the floating-point types
  for (const ElementTypeRow& row : element_types) {
    std::vector<TensorEntry> entries = host.entries();
    entries.push_back({"bn.num_batches_tracked", row.type, {}, std::as_bytes(std::span(&batches, 1)).first(row.size)});
    INFO(row.word);
    CHECK(error_of(encode_safetensors(entries, {}), to.store).empty());
    CHECK(to.store.values().to_host<float>() == from.store.values().to_host<float>());
  }
}

TEST_CASE("what wrappers of other programs put before every name is left out, and said") {
  const auto device = reference();
  Built from(device, 4), to(device, 5);
  const HostTensors host = host_weights(from.store);
  const auto load = [&](const std::string& prefix, const std::string& of_one) {
    std::vector<TensorEntry> entries = host.entries();
    for (TensorEntry& entry : entries) entry.name = (&entry == &entries[3] ? of_one : prefix) + entry.name;
    return load_weights(Safetensors::parse(encode_safetensors(entries, {}), "w"), to.store);
  };
  CHECK(load("", "").empty());
  for (const std::string prefix :
       {"module.", "_orig_mod.", "model.", "state_dict.", "module._orig_mod.", "state_dict.model."}) {
    to.store.values().copy_from(
        std::span<const float>(std::vector<float>(static_cast<std::size_t>(to.store.values().count()))));
    const std::vector<std::string> notes = load(prefix, prefix);
    REQUIRE(notes.size() == 1);
    CHECK_THAT(notes[0], Catch::Contains("'" + prefix + "'"));
    CHECK(to.store.values().to_host<float>() == from.store.values().to_host<float>());
  }
  CHECK_THROWS_AS(load("net.", "net."), WeightsError);
  CHECK_THROWS_AS(load("module.", ""), WeightsError);  // not before every name
}

TEST_CASE("half and double weights are converted, and said") {
  const auto device = reference();
  Built from(device, 4), to(device, 5);
  const HostTensors host = host_weights(from.store);
  std::vector<std::vector<double>> wide;
  std::vector<TensorEntry> entries = host.entries();
  for (TensorEntry& entry : entries) {
    std::vector<float> narrow(static_cast<std::size_t>(entry.count()));
    std::memcpy(narrow.data(), entry.bytes.data(), entry.bytes.size());
    wide.emplace_back(narrow.begin(), narrow.end());
    entry.dtype = ElementType::f64, entry.bytes = std::as_bytes(std::span(wide.back()));
  }
  const auto notes = load_weights(Safetensors::parse(encode_safetensors(entries, {}), "w"), to.store);
  REQUIRE(notes.size() == 1);
  CHECK_THAT(notes[0], Catch::Contains("F64 is converted"));
  CHECK(to.store.values().to_host<float>() == from.store.values().to_host<float>());
  wide[0][0] = std::nan("");
  CHECK_THROWS_AS(load_weights(Safetensors::parse(encode_safetensors(entries, {}), "w"), to.store), NonFiniteError);
}

TEST_CASE("another number of outputs: the error says what to do") {
  const auto device = reference();
  const auto ten = require_network("lenet5_relu").make({}), hundred = require_network("lenet5_relu").make({.outputs = 100});
  const ParameterStore from(*hundred, device, 1);
  ParameterStore to(*ten, device, 1);
  const Bytes file = encode_safetensors(host_weights(from).entries(), {});
  const std::string error = error_of(file, to);
  CHECK_THAT(error, Catch::Contains("has 100 outputs, this network 10") && Catch::Contains("--outputs 100") &&
                        Catch::Contains("finetune"));
  // The same from shapes alone, for a network that would not fit into any memory.
  const auto huge = require_network("alexnet8").make({.outputs = std::int64_t{1} << 40});
  CHECK_THROWS_AS(require_weights_of(*huge, Safetensors::parse(file, "w")), WeightsError);
}

TEST_CASE("NaN and infinity are never saved, and the old file stays") {
  const TemporaryFolder folder;
  const fs::path path = folder / "w.safetensors";
  const auto device = reference();
  Built built(device, 4);
  save_weights(path, built.store, {});
  const std::uintmax_t size = fs::file_size(path);
  for (const float bad : {std::nanf(""), HUGE_VALF}) {
    for (const Tensor& tensor : {built.network.fc.bias.value(), built.network.bn.running_var.value()}) {
      const std::vector<float> good = tensor.to_host<float>();
      std::vector<float> broken = good;
      broken.back() = bad;
      tensor.copy_from(std::span<const float>(broken));
      CHECK_THROWS_AS(save_weights(path, built.store, {}), NonFiniteError);
      tensor.copy_from(std::span<const float>(good));
    }
  }
  CHECK(fs::file_size(path) == size);
  Built other(device, 5);
  load_weights(Safetensors::read(path), other.store);
  CHECK(other.store.values().to_host<float>() == built.store.values().to_host<float>());
}
