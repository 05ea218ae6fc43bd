// Programs under mpirun of every MPI that was found: the bits of one process, one voice, one end. Where there is no MPI, that
// is said.
#ifdef TESSERA_BIN
#include <unistd.h>

#include <iostream>
#include <sstream>

#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> words_of(std::string text) {
  for (char& c : text)
    if (c == ',') c = ' ';
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// "mpirun.openmpi", …: those whose overlays were built and whose launchers are here.
std::vector<std::string> launchers() {
  std::vector<std::string> found;
  for (const std::string& kind : words_of(TESSERA_MPI_KINDS))
    if (shell("command -v mpirun." + kind).code == 0)
      found.push_back("mpirun." + kind);
    else if (shell("command -v mpirun").code == 0 && found.empty())
      found.push_back("mpirun");
  if (found.empty())
    std::cerr
        << "\nSKIPPED: programs under mpirun, since no MPI is installed (apt-get install libopenmpi-dev openmpi-bin)\n\n";
  return found;
}

// Two cores are enough for all ranks; root may be who tests.
std::string ranks(const std::string& launcher, int count) {
  return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 "
         "OMPI_MCA_hwloc_base_binding_policy=none timeout 120 " +
         launcher + " -np " + std::to_string(count) + " $BIN/";
}

std::string weights_of(const fs::path& run) { return read_text(run / "last.safetensors"); }

}  // namespace

TEST_CASE("mpirun: ranks end with the bits of --accumulate, in weights, history and test; one speaks") {
  Folder folder;
  make_cifar(folder / "data", 49, 21);
  const std::string base =
      " " + (folder / "data").string() + " --batch-size 8 --epochs 2 --augment standard --threads 1 --out ";
  const std::string one = (folder / "one").string();
  for (const std::string& launcher : launchers()) {
    const std::string train = "train_lenet5_relu";
    const Outcome alone = shell("$BIN/" + train + " --accumulate 3" + base + one);
    REQUIRE(alone.code == 0);
    const std::string out = (folder / launcher).string();
    const Outcome together = shell(ranks(launcher, 3) + train + base + out + " --bucket 0.02");  // LeNet has 0.3 MB
    INFO(launcher << ": " << together.err);
    REQUIRE(together.code == 0);
    CHECK(weights_of(out) == weights_of(one));
    CHECK(history_without_times(out) == history_without_times(one));
    CHECK(together.last_line() == alone.last_line());
    CHECK(together.err.find("epoch 1/2") == together.err.rfind("epoch 1/2"));  // once
    CHECK_THAT(together.err, Contains("ranks    3"));

    // An evaluation too: what it prints, and every output.
    const Outcome evaluated =
        shell(ranks(launcher, 2) + "evaluate " + one + "/last.safetensors" + " " + (folder / "data").string() +
              " --batch-size 4 --logits " + (folder / "two.npy").string());
    INFO(evaluated.err);
    REQUIRE(evaluated.code == 0);
    const Outcome by_one = shell("$BIN/evaluate " + one + "/last.safetensors" + " " + (folder / "data").string() +
                                 " --batch-size 4 --logits " + (folder / "one.npy").string());
    CHECK(evaluated.out == by_one.out);
    CHECK(read_text(folder / "two.npy") == read_text(folder / "one.npy"));
    fs::remove_all(folder / "one");
  }
}

TEST_CASE("mpirun: another number of ranks goes on with a run, in the middle of an epoch") {
  Folder folder;
  make_cifar(folder / "data", 49, 21);
  const std::string data = " " + (folder / "data").string(), one = (folder / "one").string();
  const std::string options = " --batch-size 8 --epochs 2 --accumulate 3 --threads 1";  // 14 steps
  for (const std::string& launcher : launchers()) {
    REQUIRE(shell("$BIN/train_resnet_mini" + data + options + " --out " + one).code == 0);
    const std::string out = (folder / launcher).string();
    const std::string train = "train_resnet_mini";
    REQUIRE(shell(ranks(launcher, 2) + train + data + options + " --shard-optimizer --steps 3 --out " + out).code == 0);
    const Outcome still = shell(ranks(launcher, 3) + train + " --resume " + out + " --steps 6");
    const Outcome three = shell(ranks(launcher, 3) + train + " --resume " + out + " --shard-optimizer=false --steps 9");
    INFO(launcher << ": " << still.err << three.err);
    REQUIRE(three.code == 0);
    CHECK_THAT(still.err, Contains("its share of what the optimiser remembers"));
    CHECK_THAT(three.err, !Contains("its share of what the optimiser remembers"));
    REQUIRE(shell("$BIN/train_resnet_mini --resume " + out + " --steps 14").code == 0);
    CHECK(weights_of(out) == weights_of(one));
    fs::remove_all(folder / "one");
    break;  // the launcher plays no part
  }
}

TEST_CASE("mpirun: statistics of the whole batch and a bf16 wire stay those of the run, whoever goes on with it") {
  Folder folder;
  make_cifar(folder / "data", 49, 21);
  const std::string data = " " + (folder / "data").string(), out = (folder / "run").string();
  for (const std::string& launcher : launchers()) {
    const std::string options = data + " --batch-size 8 --epochs 1 --threads 1 --sync-batch-norm --wire bf16";
    REQUIRE(shell(ranks(launcher, 2) + "train_resnet_mini" + options + " --steps 2 --out " + out).code == 0);
    const Outcome more = shell(ranks(launcher, 3) + "train_resnet_mini --resume " + out);
    INFO(launcher << ": " << more.err);
    REQUIRE(more.code == 0);
    CHECK_THAT(more.err, Contains("batch norm by the statistics of all, gradients sent in bf16"));
    const Outcome parted = shell(ranks(launcher, 2) + "train_resnet_mini" + options + " --accumulate 4 --out " + out + "-2");
    CHECK(parted.code == 2);
    CHECK_THAT(parted.err, Contains("give --accumulate 1"));
    break;  // the launcher plays no part
  }
}

TEST_CASE("mpirun: a failure of one is everybody's, with one message, rank, host and exit code") {
  Folder folder;
  make_cifar(folder / "data", 49, 21);
  make_cifar(folder / "other", 48, 21);
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string train = "train_lenet5_relu ", data = (folder / "data").string();
  for (const std::string& launcher : launchers()) {
    struct Case {
      std::string words;
      int code;
      std::string message;
    };
    // By a shell of each rank's own, one of them is given something else.
    const std::string rank = "$((${OMPI_COMM_WORLD_RANK:-0} + ${PMI_RANK:-0}))";
    const auto each = [&](const std::string& words) {
      write_text(folder / "each", "#!/bin/bash\nrank=" + rank + "\nexec \"$1\"" + words + "\n");
      fs::permissions(folder / "each", fs::perms::owner_all);
      std::string call = ranks(launcher, 2);
      call.replace(call.rfind("$BIN/"), 5, (folder / "each").string() + " ");
      return call + "$BIN/" + train;
    };
    const std::string out = " --out " + (folder / ("run-" + launcher)).string() + " --steps 3 --threads 1";
    for (const Case& c : {Case{" " + data + "$([ $rank = 1 ] && echo -nowhere)" + out, 3, "rank 1 on " + std::string(host)},
                          Case{" " + data + " --batch-size $((8 + rank))" + out, 2, "recipe.batch_size 8 → 9"},
                          Case{" " + folder.path().string() + "/$([ $rank = 1 ] && echo other || echo data)" + out, 3,
                               "training images of rank 1"}}) {
      const Outcome outcome = shell(each(c.words));
      INFO(launcher << c.words << ": " << outcome.err);
      CHECK(outcome.code == c.code);
      CHECK_THAT(outcome.err, Contains(c.message));
      const std::size_t first = outcome.err.find("error: ");
      CHECK(first != std::string::npos);
      CHECK(outcome.err.find("\nerror: ", first) == std::string::npos);  // once
    }
  }
}

TEST_CASE("mpirun: a test loss that is not finite ends all ranks when the results are written, and says where they are") {
  Folder folder;
  make_cifar(folder / "data", 49, 21);
  for (const std::string& launcher : launchers()) {
    const Outcome outcome = shell("cd " + folder.path().string() + " && rm -rf runs && " + ranks(launcher, 2) +
                                  "train_lenet5_relu data --lr 1e30 --steps 1 --threads 1");
    INFO(launcher << ": " << outcome.err);
    CHECK(outcome.code == 6);
    CHECK_THAT(outcome.err, Contains("results are in runs/"));
    const fs::path run = fs::directory_iterator(folder / "runs")->path();
    CHECK(fs::exists(run / "test.json"));
    CHECK(fs::exists(run / "report.html"));
  }
}
#endif
