// Runs that are stopped, killed, or run out of disk, and go on with the same bits.
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "engine/files/csv.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> arguments(const Folder& folder, const std::string& name) {
  return {(folder / "data").string(), "--batch-size", "8", "--epochs", "6", "--seed", "5", "--out",
          (folder / name).string()};
}

void require_same_run(const fs::path& a, const fs::path& b) {
  CHECK(read_text(a / "last.safetensors") == read_text(b / "last.safetensors"));
  CHECK(read_text(a / "best.safetensors") == read_text(b / "best.safetensors"));
  CHECK(history_without_times(a) == history_without_times(b));
}

std::size_t read_csv_rows(const fs::path& file) { return tessera::read_csv(file).rows.size(); }

}  // namespace

TEST_CASE("--resume after SIGTERM, SIGINT and kill -9 ends with the bits of the uninterrupted run") {
  Folder folder;
  make_cifar(folder / "data", 1000, 40);
  const Outcome whole = run("train_lenet5_relu", arguments(folder, "whole"));
  INFO(whole.err);
  REQUIRE(whole.code == 0);

  for (const int signal : {SIGTERM, SIGINT, SIGKILL}) {
    INFO("signal " << signal);
    const std::string name = "cut" + std::to_string(signal);
    const fs::path run_folder = folder / name;
    int cuts = 0;
    {
      Process process("train_lenet5_relu", arguments(folder, name));
      REQUIRE(process.wait_for(run_folder / "checkpoints" / "latest"));
      process.signal(signal);
      const Outcome cut = process.wait();
      INFO(cut.err);
      cuts += cut.code != 0;
      if (cut.code != 0) CHECK(cut.code == 128 + signal);
      if (signal != SIGKILL && cut.code != 0) CHECK_THAT(cut.err, Contains("--resume"));
    }
    CHECK(cuts == 1);  // the run was long enough to be cut
    // Cut it again soon after it has gone on, then let it finish.
    {
      Process process("train_lenet5_relu", {"--resume", run_folder.string()});
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
      process.signal(signal);
      process.wait();
    }
    const Outcome rest = run("train_lenet5_relu", {"--resume", run_folder.string()});
    INFO(rest.err);
    REQUIRE(rest.code == 0);
    CHECK(rest.last_line() == whole.last_line());
    require_same_run(folder / "whole", run_folder);
  }
}

TEST_CASE("--steps stops within an epoch; a longer run resumed from there has the bits of the uninterrupted one") {
  Folder folder;
  make_cifar(folder / "data", 100, 40);
  auto whole = arguments(folder, "whole"), part = arguments(folder, "part");
  whole.insert(whole.end(), {"--steps", "30"});
  part.insert(part.end(), {"--steps", "17"});
  REQUIRE(run("train_lenet5_relu", whole).code == 0);
  REQUIRE(run("train_lenet5_relu", part).code == 0);
  const Outcome rest = run("train_lenet5_relu", {"--resume", (folder / "part").string(), "--steps", "30"});
  INFO(rest.err);
  REQUIRE(rest.code == 0);
  require_same_run(folder / "whole", folder / "part");
}

TEST_CASE("a second process refuses the run folder") {
  Folder folder;
  make_cifar(folder / "data", 2000, 40);
  Process first("train_lenet5_relu", arguments(folder, "run"));
  REQUIRE(first.wait_for(folder / "run" / "config.json"));
  const Outcome second = run("train_lenet5_relu", {"--resume", (folder / "run").string()});
  CHECK(second.code == 4);
  CHECK_THAT(second.err, Contains((folder / "run").string()));
  first.signal(SIGTERM);
  first.wait();
}

TEST_CASE("a learning rate that explodes ends with exit code 6 and saves nothing non-finite") {
  Folder folder;
  make_cifar(folder / "data", 400, 40);
  const Outcome outcome = run("train_lenet5_relu", {(folder / "data").string(), "--optimizer", "sgd", "--lr", "1e20",
                                                    "--batch-size", "8", "--out", (folder / "run").string()});
  INFO(outcome.err);
  CHECK(outcome.code == 6);
  CHECK_THAT(outcome.err, Contains("non-finite"));
  CHECK_FALSE(fs::exists(folder / "run" / "last.safetensors"));
}

TEST_CASE("a full disk at save: exit code 4, and the last good checkpoint loads") {
  Folder folder;
  make_cifar(folder / "data", 200, 40);
  fs::create_directory(folder / "small");
  if (mount("tmpfs", (folder / "small").c_str(), "tmpfs", 0, "size=2200k") != 0) {
    std::cerr << "SKIPPED: a full disk cannot be tried without the right to mount a small file system\n";
    WARN("skipped: no right to mount a small file system");
    return;
  }
  const fs::path run_folder = folder / "small" / "run";
  const std::string data = (folder / "data").string();
  const Outcome first = run("train_lenet5_relu", {data, "--epochs", "1", "--out", run_folder.string()});
  const std::string checkpoint = read_text(run_folder / "checkpoints" / "latest");
  const Outcome full = run("train_lenet5_relu", {"--resume", run_folder.string(), "--epochs", "5"});
  write_text(folder / "data" / "note", first.err + full.err);
  const std::string after = read_text(run_folder / "checkpoints" / "latest");
  // Room again: the run goes on from the last good checkpoint.
  REQUIRE(mount("tmpfs", (folder / "small").c_str(), "tmpfs", MS_REMOUNT, "size=32m") == 0);
  const Outcome rest = run("train_lenet5_relu", {"--resume", run_folder.string(), "--epochs", "5"});
  umount((folder / "small").c_str());

  INFO(first.err << full.err << rest.err);
  CHECK(first.code == 0);
  CHECK_FALSE(checkpoint.empty());
  CHECK(full.code == 4);
  CHECK_THAT(full.err, Contains("No space left"));
  CHECK_FALSE(after.empty());
  CHECK(rest.code == 0);
  CHECK_THAT(rest.err, Contains("resuming after step"));
}

TEST_CASE("best.safetensors cannot be written: the epoch is not lost, and the run goes on to the same bits") {
  Folder folder;
  make_cifar(folder / "data", 100, 40);
  REQUIRE(run("train_lenet5_relu", arguments(folder, "whole")).code == 0);
  auto one = arguments(folder, "cut");
  one[4] = "1";  // --epochs
  REQUIRE(run("train_lenet5_relu", one).code == 0);
  const fs::path best = folder / "cut" / "best.safetensors";
  fs::remove(best);
  fs::create_directories(best / "in the way");
  const Outcome cut = run("train_lenet5_relu", {"--resume", (folder / "cut").string(), "--epochs", "6"});
  CHECK(cut.code == 4);
  CHECK_THAT(cut.err, Contains("best.safetensors"));
  CHECK(read_text(folder / "cut/checkpoints/latest") == "step-000000026\n");  // of the second epoch
  fs::remove_all(best);
  const Outcome rest = run("train_lenet5_relu", {"--resume", (folder / "cut").string()});
  INFO(rest.err);
  REQUIRE(rest.code == 0);
  require_same_run(folder / "whole", folder / "cut");
}

TEST_CASE("resume with another batch size trains the epochs asked for and says what changes") {
  Folder folder;
  make_cifar(folder / "data", 100, 40);
  REQUIRE(run("train_lenet5_relu",
              {(folder / "data").string(), "--epochs", "2", "--batch-size", "4", "--out", (folder / "run").string()})
              .code == 0);
  const Outcome more =
      run("train_lenet5_relu", {"--resume", (folder / "run").string(), "--epochs", "5", "--batch-size", "64"});
  INFO(more.err);
  CHECK(more.code == 0);
  CHECK_THAT(more.err, Contains("recipe.batch_size 4 → 64") && Contains("recipe.epochs 2 → 5") &&
                           Contains("resuming after step 50 of 56"));
  CHECK(read_csv_rows(folder / "run" / "history.csv") == 5);
  const Outcome over = run("train_lenet5_relu", {"--resume", (folder / "run").string(), "--epochs", "1"});
  CHECK(over.code == 0);
  CHECK_THAT(over.err, Contains("nothing is left to train"));
  const Outcome weights = run("train_lenet5_relu", {"--resume", (folder / "run").string(), "--epochs", "9", "--weights",
                                                    (folder / "run" / "last.safetensors").string()});
  CHECK(weights.code == 2);
}

TEST_CASE("resume on other images is refused, unless DATA is given anew; another optimiser starts afresh") {
  Folder folder;
  make_cifar(folder / "data", 60, 20);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  REQUIRE(run("train_lenet5_relu", {data, "--epochs", "1", "--out", out}).code == 0);
  std::string records = read_text(folder / "data" / "data_batch_1.bin");
  records[5000] = static_cast<char>(records[5000] ^ 1);
  write_text(folder / "data" / "data_batch_1.bin", records);
  const Outcome refused = run("train_lenet5_relu", {"--resume", out, "--epochs", "2"});
  CHECK(refused.code == 3);
  CHECK_THAT(refused.err, Contains("training images are not those") && Contains("--resume"));
  const Outcome allowed =
      run("train_lenet5_relu", {data, "--resume", out, "--epochs", "2", "--optimizer", "sgd", "--momentum", "0.5"});
  INFO(allowed.err);
  CHECK(allowed.code == 0);
  CHECK_THAT(allowed.err, Contains("other training images") && Contains("another optimiser"));
}

TEST_CASE("SIGHUP saves and ends with 129, SIGUSR1 saves and goes on, a closed pipe saves and ends with 141") {
  Folder folder;
  make_cifar(folder / "data", 6000, 40);
  const fs::path out = folder / "run";
  std::vector<std::string> slow{(folder / "data").string(), "--batch-size", "1", "--epochs", "50", "--out", out.string()};
  {
    Process process("train_lenet5_relu", slow);
    REQUIRE(process.wait_for(out / "config.json"));
    process.signal(SIGUSR1);
    CHECK(process.wait_for(out / "checkpoints" / "latest"));  // within the first epoch
    CHECK(process.running());
    process.signal(SIGHUP);
    process.signal(SIGHUP);  // a terminal's end may come twice
    const Outcome outcome = process.wait();
    INFO(outcome.err);
    CHECK(outcome.code == 129);
    CHECK_THAT(outcome.err, Contains("--resume"));
  }
  const std::string latest = read_text(out / "checkpoints" / "latest");
  fs::remove(out / "history.csv");
  {
    Process process("train_lenet5_relu", {"--resume", out.string()});
    REQUIRE(process.wait_for(out / "history.csv"));  // it comes back when training begins
    process.signal(SIGPIPE);
    const Outcome outcome = process.wait();
    INFO(outcome.err);
    CHECK(outcome.code == 141);
  }
  CHECK(read_text(out / "checkpoints" / "latest") >= latest);
  const std::string tessera = std::string(TESSERA_BIN) + "/train_lenet5_relu";
  const std::string piped = "set -o pipefail; " + tessera + " --resume " + out.string() + " --json --batch-size 64 2>" +
                            (folder / "err").string() + " | head -n 1 > " + (folder / "line").string();
  const int status = std::system(("bash -c '" + piped + "'").c_str());
  CHECK(WEXITSTATUS(status) == 141);
  CHECK_THAT(read_text(folder / "err"), Contains("stopped; go on with"));
}

TEST_CASE("a file size limit: what was saved before is whole, and the exit code is the signal's") {
  Folder folder;
  make_cifar(folder / "data", 60, 20);
  const std::string tessera = std::string(TESSERA_BIN) + "/train_lenet5_relu " + (folder / "data").string();
  const int status = std::system(
      ("bash -c 'ulimit -f 100; " + tessera + " --epochs 1 --out " + (folder / "run").string() + " 2>/dev/null'").c_str());
  CHECK(WEXITSTATUS(status) == 153);
  CHECK_FALSE(fs::exists(folder / "run" / "last.safetensors"));
}

TEST_CASE("a run that ends with a loss that is not finite before ten steps is no success") {
  Folder folder;
  make_cifar(folder / "data", 16, 8);
  const Outcome outcome =
      run("train_lenet5_relu", {(folder / "data").string(), "--optimizer", "sgd", "--lr", "1e30", "--batch-size", "8",
                                "--epochs", "2", "--out", (folder / "run").string()});
  INFO(outcome.err);
  CHECK(outcome.code == 6);
}

TEST_CASE(
    "history.csv: deleted, it comes back whole; in the way of a row, it does not keep the checkpoint from being saved") {
  Folder folder;
  make_cifar(folder / "data", 2000, 20);
  const fs::path out = folder / "run";
  const auto epochs = [&](const char* n) {
    return std::vector<std::string>{(folder / "data").string(), "--batch-size", "16", "--epochs", n, "--out", out.string()};
  };
  {
    Process process("train_lenet5_relu", epochs("60"));
    REQUIRE(process.wait_for(out / "checkpoints" / "latest"));
    fs::remove(out / "history.csv");
    const Outcome outcome = process.wait();
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(read_csv_rows(out / "history.csv") == 60);
  }
  fs::remove_all(out);
  Process process("train_lenet5_relu", epochs("100000"));
  REQUIRE(process.wait_for(out / "history.csv"));
  fs::remove(out / "history.csv");
  fs::create_directory(out / "history.csv");
  const Outcome outcome = process.wait();
  CHECK(outcome.code == 4);
  CHECK_THAT(outcome.err, Contains("history.csv"));
  CHECK(fs::exists(out / "checkpoints" / "latest"));
}

TEST_CASE("runs that start in the same second each get a folder of their own") {
  Folder folder;
  make_cifar(folder / "data", 20, 10);
  const std::string one = std::string(TESSERA_BIN) + "/train_lenet5_relu " + (folder / "data").string() + " --epochs 1";
  std::string all = "cd " + folder.path().string() + " || exit 1; ";
  for (int i = 0; i < 4; ++i)
    all += "(" + one + " 2>err" + std::to_string(i) + " >out; echo $? > code" + std::to_string(i) + ") & ";
  REQUIRE(std::system(("bash -c '" + all + " wait'").c_str()) == 0);
  for (int i = 0; i < 4; ++i) {
    INFO(read_text(folder / ("err" + std::to_string(i))));
    CHECK(read_text(folder / ("code" + std::to_string(i))) == "0\n");
  }
  CHECK(std::distance(fs::directory_iterator(folder / "runs"), fs::directory_iterator()) == 4);
}
