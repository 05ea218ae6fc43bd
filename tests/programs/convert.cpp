// convert, and other programs' weights wherever weights are read.
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

// The weights of a LeNet that has been trained for a step.
std::string trained_lenet(const Folder& folder) {
  const std::string out = folder / "run";
  REQUIRE(run("train_lenet5_relu", {"synthetic", "--steps", "1", "--limit-train", "64", "--limit-test", "64", "--out", out})
              .code == 0);
  return out + "/last.safetensors";
}

}  // namespace

TEST_CASE("convert goes to every format and back to the same weights, and programs read all of them") {
  const Folder folder;
  const std::string f = folder.path(), w = trained_lenet(folder);
  REQUIRE(run("evaluate", {w, "synthetic", "--logits", f + "/z.npy"}).code == 0);
  const std::string plain = f + "/plain.safetensors";  // without what a training knows of its classes
  for (const std::string ending : {".pth", ".pt", ".npz", ".pdparams"}) {
    INFO(ending);
    const std::string there = f + "/w" + ending, back = f + "/back" + ending + ".safetensors";
    const Outcome out = run("convert", {w, there});
    REQUIRE(out.code == 0);
    CHECK_THAT(out.out, Contains("10 tensors of lenet5_relu in " + there));
    REQUIRE(run("convert", {there, back, "--network", "lenet5_relu"}).code == 0);
    REQUIRE(run("evaluate", {there, "synthetic", "--network", "lenet5_relu", "--logits", f + "/y.npy"}).code == 0);
    CHECK(read_text(f + "/y.npy") == read_text(f + "/z.npy"));
    if (ending == ".pth") fs::copy(back, plain);
    CHECK(read_text(back) == read_text(plain));
    CHECK(run("predict", {there, "synthetic", "--index", "1", "--network", "lenet5_relu"}).code == 0);
    CHECK(run("summary", {there, "--network", "lenet5_relu"}).code == 0);
    CHECK(run("train_lenet5_relu", {"synthetic", "--steps", "1", "--limit-train", "64", "--limit-test", "64", "--weights",
                                    there, "--out", f + "/again" + ending})
              .code == 0);
  }
  REQUIRE(run("convert", {f + "/w.pdparams", f + "/w.npz", "--network", "lenet5_relu"}).code == 0);
  make_cifar(folder / "cifar", 24, 12);
  CHECK(run("finetune", {f + "/w.pdparams", f + "/cifar", "--network", "lenet5_relu", "--classes", "horse,ship", "--epochs",
                         "1", "--epochs-frozen", "1", "--out", f + "/fine"})
            .code == 0);
  CHECK(shell("$BIN/convert '" + w + "' - --to .npz | cmp - '" + f + "/w.npz'").code == 0);
}

TEST_CASE("convert: what is wrong is said, with the exit code that belongs to it") {
  const Folder folder;
  const std::string f = folder.path(), samples = "files/samples/";
  check_failure(run("convert", {samples + "state.pth", f + "/w.txt"}), 2, ".safetensors, .npz");
  check_failure(run("convert", {samples + "state.pth"}), 2, "OUT");
  check_failure(run("convert", {f + "/none.pth", f + "/w.npz"}), 4, "none.pth");
  check_failure(run("convert", {f, f + "/w.npz"}), 4, "folder");
  check_failure(run("convert", {samples + "old.pth", f + "/w.npz"}), 4, "before 1.6");
  check_failure(run("convert", {samples + "protocol4.pdparams", f + "/w.npz"}), 4, "--network");
  check_failure(run("convert", {samples + "state.pth", f + "/w.npz", "--network", "lenet5_relu"}), 4, "conv_unit.0.weight");
  check_failure(run("convert", {samples + "state.pth", f + "/w.npz", "--network", "lenet6"}), 2, "lenet5");
  check_failure(run("convert", {samples + "state.pth", f + "/w.npz"}), 4, "NumPy has no BF16");
  check_failure(run("convert", {samples + "stored.npz", f + "/no/w.pth"}), 4, "is no folder");
  CHECK(fs::is_empty(folder.path()));
  write_text(f + "/w.npz", read_text(samples + "stored.npz"));
  check_failure(run("convert", {f + "/w.npz", f + "/w.npz"}), 2, "both input and output");
  CHECK(run("convert", {f + "/w.npz", f + "/w.pth"}).code == 0);
  check_failure(run("evaluate", {samples + "old.pth", "synthetic"}), 4, "before 1.6");
}

TEST_CASE("airbench94 leaves under the names of its original in PyTorch, and comes back from them") {
  const Folder folder;
  const std::string f = folder.path(), w = f + "/run/last.safetensors";
  make_cifar(folder / "cifar", 24, 12);
  REQUIRE(run("train_airbench94", {f + "/cifar", "--steps", "1", "--batch-size", "8", "--out", f + "/run"}).code == 0);
  REQUIRE(run("convert", {w, f + "/w.pth"}).code == 0);
  const std::string there = read_text(f + "/w.pth");
  for (const char* name : {"layers.1.conv1.weight", "layers.3.norm2.running_var", "whiten.bias", "head.weight"})
    CHECK_THAT(there, Contains(name));
  CHECK(there.find("groups.") == std::string::npos);
  REQUIRE(run("evaluate", {w, f + "/cifar", "--logits", f + "/z.npy"}).code == 0);
  REQUIRE(run("evaluate", {f + "/w.pth", f + "/cifar", "--network", "airbench94", "--logits", f + "/y.npy"}).code == 0);
  CHECK(read_text(f + "/y.npy") == read_text(f + "/z.npy"));
  for (const char* ending : {".npz", ".safetensors"}) {
    REQUIRE(run("convert", {f + "/w.pth", f + "/other" + ending, "--network", "airbench94"}).code == 0);
    CHECK_THAT(read_text(f + "/other" + ending), Contains("layers.1.conv1.weight"));
  }
  CHECK(run("summary", {f + "/other.safetensors"}).code == 0);
}

TEST_CASE("a name that is nearly right is named") {
  const Folder folder;
  const std::string f = folder.path(), w = trained_lenet(folder);
  std::string renamed = read_text(w);  // the header's length stays
  const std::string name = "fc_unit.0.bias", other = "fc_unif.0.bias";
  REQUIRE(renamed.find(name) != renamed.npos);
  renamed.replace(renamed.find(name), name.size(), other);
  write_text(f + "/renamed.safetensors", renamed);
  check_failure(run("convert", {f + "/renamed.safetensors", f + "/w.pth"}), 4,
                "unknown: fc_unif.0.bias (like fc_unit.0.bias)");
}
