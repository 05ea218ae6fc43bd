// export --int8, and what programs make of the file.
#include "tests/catch.h"
#include "tests/programs/run.h"

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
}
