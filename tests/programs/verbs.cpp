// One executable under many names.
#include "engine/data/open.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
using Catch::StartsWith;
namespace fs = std::filesystem;

TEST_CASE("tessera lists its verbs and networks") {
  const Outcome help = run("tessera", {"--help"});
  CHECK(help.code == 0);
  CHECK_THAT(help.out, Contains("train NETWORK DATA") && Contains("\n  evaluate") && Contains("\n  export") &&
                           Contains("resnet34_transfer_binary"));
  CHECK_THAT(run("tessera", {"train", "--help"}).out, Contains("resnet34_transfer_binary"));
  CHECK_THAT(run("tessera", {"--version"}).out, StartsWith("Tessera "));
}

TEST_CASE("a verb of tessera and the link of its name are the same program") {
  CHECK(run("tessera", {"summary", "lenet5_relu"}).out == run("summary", {"lenet5_relu"}).out);
  CHECK_THAT(run("tessera", {"train", "lenet5_relu", "--help"}).out,
             Contains("\nUsage: tessera train lenet5_relu [OPTIONS]"));
  CHECK_THAT(run("train_lenet5_relu", {"--help"}).out, Contains("\nUsage: train_lenet5_relu [OPTIONS]"));

  Folder folder;  // the name decides, wherever it lies
  fs::create_symlink(fs::path(TESSERA_BIN) / "tessera", folder / "summary");
  fs::create_symlink(fs::path(TESSERA_BIN) / "summary", folder / "other");
  CHECK_THAT(run((folder / "summary").string(), {"lenet5_relu"}).out, Contains("62,006"));
  CHECK_THAT(run((folder / "other").string(), {"summary", "lenet5_relu"}).out, Contains("62,006"));
}

TEST_CASE("help names every form of DATA") {
  for (const char* program : {"train_lenet5_relu", "evaluate", "finetune", "show"})
    for (const tessera::DatasetFormat& format : tessera::dataset_formats())
      CHECK_THAT(run(program, {"--help"}).out, Contains(format.looks_like));
}

TEST_CASE("a mistyped verb or network: exit code 2 and what may have been meant") {
  const auto refused = [](std::vector<std::string> arguments, const std::string& message) {
    const Outcome outcome = run("tessera", std::move(arguments));
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, StartsWith("error: " + message));
  };
  refused({}, "name what to do");
  refused({"trian"}, "no verb is called 'trian'; did you mean 'train'?\nsee tessera --help\n");
  refused({"xyzzy"}, "no verb is called 'xyzzy'\n");
  refused({"train"}, "train: name a network first");
  refused({"train", "--epochs", "3"}, "train: name a network first");
  refused({"train", "resnt18", "synthetic"}, "no network is called 'resnt18'; did you mean 'resnet18'?");
}
