// export --int8, and what programs make of the file.
#include "engine/files/safetensors.h"
#include "engine/files/weights_file.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera;
using namespace tessera::tests;
using Catch::Contains;

TEST_CASE("export --int8 writes weights that evaluate, predict and summary read, and that nothing else takes for float32") {
  const Folder folder;
  const std::string f = folder.path(), w = f + "/run/last.safetensors", whole = f + "/int8.safetensors";
  REQUIRE(run("train_lenet5_relu",
              {"synthetic", "--steps", "40", "--limit-train", "640", "--limit-test", "64", "--out", f + "/run"})
              .code == 0);
  const Outcome out = run("export", {w, "synthetic", "--int8", whole, "--calibration-images", "100"});
  REQUIRE(out.code == 0);
  CHECK_THAT(out.out, Contains("5 weights in eight bits, ranges of 100 images"));
  CHECK(std::filesystem::file_size(whole) < std::filesystem::file_size(w) / 3);

  const Outcome one = run("evaluate", {whole, "synthetic", "--threads", "1", "--logits", f + "/one.npy"});
  REQUIRE(one.code == 0);
  REQUIRE(run("evaluate", {whole, "synthetic", "--threads", "3", "--logits", f + "/three.npy"}).code == 0);
  REQUIRE(run("evaluate", {w, "synthetic", "--logits", f + "/floats.npy"}).code == 0);
  CHECK(read_text(f + "/one.npy") == read_text(f + "/three.npy"));
  CHECK(read_text(f + "/one.npy") != read_text(f + "/floats.npy"));  // else it was computed in float32
  CHECK(run("predict", {whole, "synthetic", "--index", "1"}).code == 0);
  CHECK_THAT(run("summary", {whole}).err, Contains("5 of the weights are int8"));

  check_failure(run("evaluate", {whole, "synthetic", "--device", "emulated"}), 5, "--device cpu");
  check_failure(run("evaluate", {whole, "synthetic", "--precision", "bf16"}), 2, "--precision");
  check_failure(run("predict", {whole, "synthetic", "--index", "1", "--explain", f + "/e.png"}), 2, "float32");
  check_failure(run("train_lenet5_relu", {"synthetic", "--weights", whole, "--steps", "1", "--out", f + "/no"}), 4, "int8");
  check_failure(run("finetune", {whole, "synthetic", "--classes", "upright red,flat blue", "--out", f + "/no"}), 4, "int8");
  check_failure(run("convert", {whole, f + "/no.pth"}), 4, "int8");
  // Where no network is named, tensors go over as they are: whole numbers without their scales' meaning.
  const TensorFile nameless = read_weights(whole);
  Metadata metadata = nameless.metadata();
  metadata.erase("network");
  write_safetensors(f + "/nameless.safetensors", nameless.tensors(), metadata);
  check_failure(run("convert", {f + "/nameless.safetensors", f + "/no.pth"}), 4, "nameless.safetensors: int8");
  // Scales whose product is beyond float32: what came of it would look like an answer.
  const std::vector<float> input{3e38f, 0}, scales(16, 10.0f);
  std::vector<TensorEntry> large = nameless.tensors();
  for (TensorEntry& entry : large) {
    if (entry.name == "conv_unit.2.weight.input") entry.bytes = std::as_bytes(std::span(input));
    if (entry.name == "conv_unit.2.weight.scale") entry.bytes = std::as_bytes(std::span(scales));
  }
  write_safetensors(f + "/large.safetensors", large, nameless.metadata());
  check_failure(run("predict", {f + "/large.safetensors", "synthetic", "--index", "1"}), 6, "not finite");
  check_failure(run("evaluate", {f + "/large.safetensors", "synthetic"}), 6, "not finite");
  check_failure(run("export", {whole, "--onnx", f + "/no.onnx"}), 4, "int8");
  check_failure(run("export", {whole, "synthetic", "--int8", f + "/no.safetensors"}), 4, "int8");
}

TEST_CASE("export --int8: what is wrong on the command line is said") {
  const Folder folder;
  const std::string f = folder.path(), w = "files/samples/state.pth";
  check_failure(run("export", {w, "--int8", f + "/w.safetensors"}), 2, "DATA");
  check_failure(run("export", {w, "synthetic", "--txt", f + "/w.txt"}), 2, "--int8");
  check_failure(run("export", {w, "synthetic", "--int8", f + "/w.safetensors", "--onnx", f + "/w.onnx"}), 2, "one of");
  check_failure(run("export", {w, "--txt", f + "/w.txt", "--percentile", "99"}), 2, "--int8");
  check_failure(run("export", {w, "synthetic", "--int8", f + "/w.safetensors", "--percentile", "101"}), 2, "--percentile");
  check_failure(run("export", {w, "--txt", f + "/w.txt", "--labels", "3,5"}), 2, "--int8");
  check_failure(run("export", {w, "--onnx", f + "/w.onnx", "--skip-damaged"}), 2, "--int8");
  check_failure(run("export", {w, "--onnx", f + "/w.onnx", "--names", "keras"}), 2, "--txt");
  check_failure(run("export", {w, "synthetic", "--int8", f + "/w.safetensors", "--names", "keras"}), 2, "--txt");
  check_failure(run("export", {w, "synthetic", "--int8", f + "/w.npz"}), 2, ".safetensors");
}
