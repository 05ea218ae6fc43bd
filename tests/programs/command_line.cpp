// What is refused on the command line, and in which words: one short line, exit code 2, nothing done.
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::StartsWith;

namespace {

void refused(const std::string& program, std::vector<std::string> arguments, const std::string& message) {
  INFO(program << " … " << (arguments.empty() ? "" : arguments.back()));
  const Outcome outcome = run(program, std::move(arguments));
  CHECK(outcome.code == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, StartsWith("error: " + message + "\n"));
  CHECK(outcome.err.size() < 200);
}

void train_refused(std::vector<std::string> options, const std::string& message) {
  options.insert(options.begin(), "synthetic");
  refused("train_lenet5_relu", std::move(options), message);
}

}  // namespace

TEST_CASE("numbers out of range, not finite, too large or not numbers") {
  const std::string whole = "expected a whole number from ";
  for (const char* number : {"0", "-0.1", "nan", "NaN", "inf", "-inf", "0x1p3", "1e", "one", "", "--"})
    train_refused({"--lr", number}, "--lr " + std::string(*number ? number : "''") + ": expected a number above 0");
  train_refused({"--lr", " 0.1"}, "--lr ' 0.1': expected a number above 0");
  train_refused({"--lr", "0,01"}, "--lr 0,01: expected a number above 0; did you mean 0.01?");
  for (const char* number : {"1e999", "1e39", "1e-50", "1e-999"})  // infinity or 0 in the arithmetic of kernels
    train_refused({"--lr", number}, "--lr " + std::string(number) + ": expected a number above 0 that float32 can hold");
  for (const char* number : {"0", "-1", "2.5", "1e3", "1000000000000000000", "99999999999999999999", "3 ", "many"}) {
    const std::string shown = std::string(number) == "3 " ? "'3 '" : number;
    train_refused({"--epochs", number}, "--epochs " + shown + ": " + whole + "1 to 1000000000");
  }
  train_refused({"--epochs", "010"},
                "--epochs 010: " + whole + "1 to 1000000000; did you mean 10?");  // 8 where octal is read
  for (const char* number : {"-1", "18446744073709551616"})
    train_refused({"--seed", number}, "--seed " + std::string(number) + ": " + whole + "0 to 18446744073709551615");
  train_refused({"--threads", "-1"}, "--threads -1: " + whole + "0 to 1024");
  train_refused({"--batch-size", "0"}, "--batch-size 0: " + whole + "1 to 16777216");
  train_refused({"--dropout", "1"}, "--dropout 1: expected a number from 0 to 0.999");
  train_refused({"--weight-decay", "-1"}, "--weight-decay -1: expected a number of at least 0");
  train_refused({"--minutes", "0"}, "--minutes 0: expected a number above 0");
  refused("show", {"synthetic", "--count", "0"}, "--count 0: " + whole + "1 to 1024");
  refused("show", {"synthetic", "--seed", "-1"}, "--seed -1: " + whole + "0 to 18446744073709551615");
  refused("predict", {"w", "p", "--top", "0"}, "--top 0: " + whole + "1 to 1000000");
  refused("finetune", {"w", "d", "--classes", "a,b", "--lr-frozen", "nan"}, "--lr-frozen nan: expected a number above 0");
  refused("summary", {"resnet18", "--outputs", "1e9"}, "--outputs 1e9: " + whole + "1 to 1048576");
}

TEST_CASE("an empty word is not taken for an option that was not given") {
  const std::string hint = " is empty; is a variable of the shell not set?";
  for (const char* option : {"--out", "--weights", "--resume", "--labels"}) train_refused({option, ""}, option + hint);
  train_refused({"--out="}, "--out needs a value");
  refused("train_lenet5_relu", {""}, "DATA" + hint);
  refused("evaluate", {"", "synthetic"}, "WEIGHTS" + hint);
  refused("evaluate", {"w", ""}, "DATA" + hint);
  refused("predict", {"w", "a.png", ""}, "IMAGE" + hint);
  refused("show", {"synthetic", "--out", ""}, "--out" + hint);
  refused("export", {"w", "--onnx", ""}, "--onnx" + hint);
}

TEST_CASE("a ~ that the shell has left is not taken for a folder, nor a PNG given another picture's name") {
  train_refused({"--out=~/runs/a"},
                "--out '~/runs/a': the shell left ~ as it is, behind = or in quotes; write \"$HOME\"/runs/a");
  refused("evaluate", {"~", "synthetic"}, "WEIGHTS '~': the shell left ~ as it is, behind = or in quotes; write \"$HOME\"");
  refused("predict", {"w", "a.png", "--explain", "heat.JPG"},
          "--explain heat.JPG: the picture is a PNG; give it a name that ends so");
  refused("show", {"synthetic", "--out", "a.pdf"}, "--out a.pdf: the picture is a PNG; give it a name that ends so");
}

TEST_CASE("words and options that are mistyped, missing or given twice") {
  train_refused({"--epoch", "3"}, "there is no option '--epoch'; did you mean '--epochs'?");
  train_refused({"--epoch=3"}, "there is no option '--epoch'; did you mean '--epochs'?");
  train_refused({"--no-shufle"}, "there is no option '--no-shufle'; did you mean '--no-shuffle'?");
  train_refused({"--xyzzy"}, "there is no option '--xyzzy'");
  train_refused({"--batch", "3"}, "there is no option '--batch'; did you mean '--batch-size'?");
  refused("tessera", {"train", "lenet5", "synthetic"}, "no network is called 'lenet5'; did you mean 'lenet5_relu'?");
  train_refused({"one", "two", "three"}, "not expected: 'one' 'two' 'three'");
  train_refused({"--conv", "direkt"}, "--conv direkt: expected auto, direct; did you mean 'direct'?");
  train_refused({"--precision", "FP32"}, "--precision FP32: expected fp32, tf32, bf16; did you mean 'fp32'?");
  train_refused({"--lr", "1", "--lr", "2"}, "--lr is given more than once");
  train_refused({"--epochs"}, "--epochs needs a value");
  train_refused({"--out", "--epochs", "3"}, "--out needs a value before --epochs");
  refused("finetune", {"w", "d", "--clases", "a,b"}, "there is no option '--clases'; did you mean '--classes'?");
  refused("evaluate", {}, "WEIGHTS is required");
}
