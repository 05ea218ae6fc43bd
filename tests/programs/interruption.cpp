// Runs that are stopped, killed, or run out of disk, and go on with the same bits.
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <thread>

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
