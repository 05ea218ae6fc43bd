// Weights that other programs wrote, and files that lie about what they are.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/files/safetensors.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera;
using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

// Our weights as another program would have written them: float32 tensors, no metadata but PyTorch's.
struct Foreign {
  Foreign() {
    make_cifar(folder / "data", 40, 40);
    REQUIRE(run("train_lenet5_relu", {data(), "--steps", "3", "--out", (folder / "run").string()}).code == 0);
    const Safetensors file = Safetensors::read(folder / "run/last.safetensors");
    for (const TensorEntry& entry : file.tensors()) {
      Tensor tensor{entry.name, entry.shape, std::vector<float>(static_cast<std::size_t>(entry.count()))};
      std::memcpy(tensor.values.data(), entry.bytes.data(), entry.bytes.size());
      tensors.push_back(tensor);
    }
  }
  std::string data() const { return (folder / "data").string(); }

  template <class T, class Convert>
  std::string write(const std::string& name, ElementType type, const std::string& prefix, const Convert& convert) const {
    std::vector<std::vector<T>> stored;
    std::vector<TensorEntry> entries;
    for (const Tensor& tensor : tensors) {
      stored.emplace_back();
      for (const float value : tensor.values) stored.back().push_back(convert(value));
    }
    for (std::size_t i = 0; i < tensors.size(); ++i)
      entries.push_back({prefix + tensors[i].name, type, tensors[i].shape, std::as_bytes(std::span(stored[i]))});
    write_safetensors(folder / name, entries, {{"format", "pt"}});
    return (folder / name).string();
  }
  std::string write_f32(const std::string& name, const std::string& prefix = "") const {
    return write<float>(name, ElementType::f32, prefix, [](float x) { return x; });
  }

  struct Tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  Folder folder;
  std::vector<Tensor> tensors;
};

std::uint16_t bf16_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// A tensor that is not there, of a network that the metadata names: 60 to 100 bytes.
std::string tiny_file(const std::string& metadata) {
  std::string header = "{\"__metadata__\":{" + metadata + "}}", bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return bytes + header;
}

}  // namespace

TEST_CASE("weights in other types and behind other prefixes give the same answers, and it is said once") {
  const Foreign f;
  const std::vector<std::string> rest = {f.data(), "--network", "lenet5_relu"};
  const auto evaluate = [&](const std::string& file) { return run("evaluate", {file, rest[0], rest[1], rest[2]}); };
  const Outcome plain = evaluate(f.write_f32("f32"));
  INFO(plain.err);
  REQUIRE(plain.code == 0);
  const Outcome wide = evaluate(f.write<double>("f64", ElementType::f64, "", [](float x) { return double{x}; }));
  CHECK(wide.out == plain.out);
  CHECK_THAT(wide.err, Contains("F64 is converted to float32"));
  const Outcome narrow = evaluate(f.write<std::uint16_t>("bf16", ElementType::bf16, "", bf16_of));
  CHECK(narrow.code == 0);
  CHECK_THAT(narrow.err, Contains("BF16 is converted"));
  for (const std::string prefix : {"module.", "_orig_mod.", "model.", "state_dict.", "state_dict.model."}) {
    const Outcome wrapped = evaluate(f.write_f32("wrapped", prefix));
    CHECK(wrapped.out == plain.out);
    CHECK_THAT(wrapped.err, Contains("'" + prefix + "'"));
    CHECK(wrapped.err.find("left out") == wrapped.err.rfind("left out"));
  }
  // Every program that reads weights takes them.
  const std::string file = f.write_f32("wrapped", "module.");
  const std::string out = f.folder.path().string();
  CHECK(run("predict", {file, f.data(), "--index", "1", "--network", "lenet5_relu"}).code == 0);
  CHECK(run("export", {file, "--txt", out + "/w.txt", "--network", "lenet5_relu"}).code == 0);
  CHECK_THAT(run("summary", {file, "--network", "lenet5_relu"}).out, Contains("Total params: 62,006"));
  CHECK(run("finetune", {file, f.data(), "--classes", "cat,dog", "--epochs", "1", "--epochs-frozen", "0", "--network",
                         "lenet5_relu", "--out", out + "/finetuned"})
            .code == 0);
  CHECK(run("train_lenet5_relu", {f.data(), "--weights", file, "--steps", "1", "--out", out + "/more"}).code == 0);
}

TEST_CASE(
    "an output that overflows is no answer, also where the loss does not see it: evaluate ends with 6, as predict does") {
  Foreign f;
  for (Foreign::Tensor& tensor : f.tensors)
    if (tensor.name == "fc_unit.4.weight" || tensor.name == "fc_unit.4.bias")
      std::fill(tensor.values.end() - static_cast<std::ptrdiff_t>(tensor.values.size() / 10), tensor.values.end(), -3.4e38f);
  const std::string file = f.write_f32("overflows"), few = (f.folder / "few").string();
  make_cifar(few, 10, 5);  // none of class 9, whose output is -inf
  for (const auto& words : {std::vector<std::string>{"evaluate", file, few}, {"predict", file, few, "--index", "1"}}) {
    std::vector<std::string> all(words.begin() + 1, words.end());
    all.insert(all.end(), {"--network", "lenet5_relu"});
    check_failure(run(words[0], all), 6, "not finite");
  }
}

TEST_CASE("NaN in weights: exit code 6 with the tensor's name; F64 beyond float32: exit code 4") {
  Foreign f;
  f.tensors[2].values[1] = std::nanf("");
  const std::string file = f.write_f32("nan");
  for (const auto& arguments : std::initializer_list<std::vector<std::string>>{{"evaluate", file, f.data()},
                                                                               {"predict", file, f.data(), "--index", "0"},
                                                                               {"export", file, "--txt", "-"},
                                                                               {"summary", file}}) {
    std::vector<std::string> all(arguments.begin() + 1, arguments.end());
    all.insert(all.end(), {"--network", "lenet5_relu"});
    const Outcome outcome = run(arguments[0], all);
    INFO(arguments[0] << ": " << outcome.err);
    CHECK(outcome.code == 6);
    CHECK_THAT(outcome.err, Contains("'" + f.tensors[2].name + "'") && Contains("element 1 "));
  }
  f.tensors[2].values[1] = 1;
  const std::string large =
      f.write<double>("large", ElementType::f64, "", [](float x) { return x == 1 ? 1e300 : double{x}; });
  const Outcome outcome = run("evaluate", {large, f.data(), "--network", "lenet5_relu"});
  CHECK(outcome.code == 4);
  CHECK_THAT(outcome.err, Contains("beyond float32"));
}

TEST_CASE("finite weights whose outputs are not: predict and evaluate end with 6, and evaluate writes what there is") {
  const Foreign f;
  const std::string file = f.write<float>("large", ElementType::f32, "", [](float x) { return x * 1e20f; });
  const std::string logits = (f.folder / "logits.npy").string();
  check_failure(run("predict", {file, f.data(), "--index", "0", "--network", "lenet5_relu"}), 6, "not finite");
  const Outcome outcome = run("evaluate", {file, f.data(), "--network", "lenet5_relu", "--logits", logits});
  check_failure(outcome, 6, "not finite");
  CHECK_THAT(outcome.out, Contains("loss"));
  CHECK(std::filesystem::exists(logits));
}

TEST_CASE("weights with another number of outputs: what to do is said, and it works") {
  const Foreign f;
  const std::string file = f.write_f32("ten");
  const Outcome wrong = run("evaluate", {file, f.data(), "--network", "lenet5_relu", "--outputs", "100"});
  CHECK(wrong.code == 4);
  CHECK_THAT(wrong.err, Contains("has 10 outputs, this network 100") && Contains("--outputs 10") && Contains("finetune"));
  for (const char* program : {"export", "summary", "predict"}) {
    std::vector<std::string> arguments = {file, "--network", "lenet5_relu", "--outputs", "12"};
    if (program == std::string("export")) arguments.insert(arguments.end(), {"--txt", "-"});
    if (program == std::string("predict")) arguments.insert(arguments.end(), {f.data(), "--index", "0"});
    const Outcome outcome = run(program, arguments);
    INFO(program << ": " << outcome.err);
    CHECK(outcome.code == 4);
    CHECK_THAT(outcome.err, Contains("--outputs 10"));
  }
}

TEST_CASE("a few bytes of weights file take no memory, whatever numbers they hold") {
  Folder folder;
  make_cifar(folder / "data", 10, 10);
  for (const char* network : {"alexnet8", "vgg16", "resnet18"})
    for (const char* outputs : {"1000000", "9223372036854775807", "-1", "1e9"}) {
      const std::string file = folder / "tiny";
      write_text(file, tiny_file("\"network\":\"" + std::string(network) + "\",\"outputs\":\"" + outputs + "\""));
      for (const std::string& command :
           {"evaluate " + file + " " + (folder / "data").string(), "summary " + file, "export " + file + " --txt -"}) {
        // 1 GB of address space: a head of 10^6 outputs would need more than twenty.
        const Outcome outcome = shell("ulimit -v 1000000; $BIN/" + command + " --quiet");
        INFO(command << " " << outputs << ": " << outcome.err);
        CHECK(outcome.code == 4);
      }
    }
}

TEST_CASE("a configuration that names another network than its checkpoint's takes no memory for it") {
  Folder folder;
  make_cifar(folder / "data", 10, 10);
  const std::string run_folder = folder / "run", config = folder / "run/config.json";
  REQUIRE(run("train_lenet5_relu", {(folder / "data").string(), "--steps", "1", "--out", run_folder}).code == 0);
  std::string text = read_text(config);
  const std::size_t at = text.find("\"outputs\": null");
  REQUIRE(at != text.npos);
  write_text(config, text.replace(at, 15, "\"outputs\": 1000000"));
  // A head of 10^6 outputs, its gradients and its initial values take 1 GB.
  const Outcome outcome = shell("ulimit -v 800000; $BIN/train_lenet5_relu --resume " + run_folder);
  INFO(outcome.err);
  CHECK(outcome.code == 4);
  CHECK_THAT(outcome.err, Contains("has 10 outputs, this network 1000000"));
}

TEST_CASE("foreign text is shown without what a terminal would obey") {
  Foreign f;
  const std::string evil =
      "\x1b]0;owned\x07\xc2\x9b"
      "31m\xe2\x80\xae";
  f.tensors[0].name = evil;
  const std::string file = f.write_f32("evil" + evil);
  std::vector<Outcome> outcomes = {run("evaluate", {file, f.data(), "--network", "lenet5_relu"}),
                                   run("evaluate", {file, f.data(), "--network", evil}),
                                   run("summary", {evil}),
                                   run("predict", {file, f.folder / ("no" + evil)}),

                                   run("evaluate", {file, f.folder / evil}),
                                   run("evaluate", {"--" + evil})};
  write_text(f.folder / "named", tiny_file("\"network\":\"x\\u001b[2J\\u009b\\u202e\""));
  outcomes.push_back(run("evaluate", {f.folder / "named", f.data()}));
  for (const Outcome& outcome : outcomes) {
    INFO(outcome.err);
    CHECK(outcome.code != 0);
    for (const char* raw : {"\x1b", "\x07", "\xc2\x9b", "\xe2\x80\xae"}) {
      CHECK(outcome.err.find(raw) == std::string::npos);
      CHECK(outcome.out.find(raw) == std::string::npos);
    }
  }
}
