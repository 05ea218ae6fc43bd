// The programs' surface: help, version, exit codes, what is printed where, files of a run.
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
using Catch::StartsWith;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> programs = {"train_lenet5_relu", "train_resnet18", "evaluate", "summary"};

void require_failure(const Outcome& outcome, int code, const std::string& reason) {
  check_failure(outcome, code, reason);
  INFO(outcome.err);
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') <= 8);  // warnings and progress aside: a line or two
}

}  // namespace

TEST_CASE("every program explains itself") {
  for (const std::string& program : programs) {
    INFO(program);
    const Outcome help = run(program, {"--help"});
    CHECK(help.code == 0);
    CHECK_THAT(help.out, Contains("--quiet") && Contains("--json") && Contains(program));
    const Outcome version = run(program, {"--version"});
    CHECK(version.code == 0);
    CHECK_THAT(version.out, StartsWith("Tessera "));
  }
  const std::string help = run("train_resnet18", {"--help"}).out;
  for (const char* option :
       {"--device",  "--kernels",    "--precision",  "--threads",     "--seed",          "--deterministic",
        "--conv",    "--batch-size", "--normalize",  "--outputs",     "--no-residual",   "--epochs",
        "--steps",   "--optimizer",  "--lr",         "--momentum",    "--weight-decay",  "--dropout",
        "--weights", "--no-shuffle", "--augment",    "--limit-train", "--limit-test",    "--out",
        "--resume",  "--recipe",     "--schedule",   "--warmup",      "--patience",      "--minutes",
        "--find-lr", "--clip-norm",  "--accumulate", "--ema",         "--class-weights", "--label-smoothing"})
    CHECK_THAT(help, Contains(option));
}

TEST_CASE("mistakes on the command line: exit code 2") {
  require_failure(run("train_lenet5_relu", {}), 2, "no DATA given");
  require_failure(run("train_lenet5_relu", {"synthetic", "--epochs", "0"}), 2, "--epochs");
  require_failure(run("train_lenet5_relu", {"synthetic", "--epochs", "many"}), 2, "--epochs");
  require_failure(run("train_lenet5_relu", {"synthetic", "--optimizer", "sdg"}), 2, "--optimizer");
  require_failure(run("train_lenet5_relu", {"synthetic", "--optimiser", "sgd"}), 2, "--optimiser");
  require_failure(run("train_lenet5_relu", {"synthetic", "--momentum", "0.9"}), 2, "--momentum");
  require_failure(run("train_lenet5_relu", {"synthetic", "--recipe", "fast"}), 2, "resnet18");
  require_failure(run("train_resnet18", {"synthetic", "--recipe", "slow"}), 2, "--recipe");
  require_failure(run("evaluate", {"only-one"}), 2, "DATA");
  require_failure(run("summary", {"neither-network-nor-file"}), 2, "lenet5_relu");
}

TEST_CASE("data that is missing or broken: exit code 3") {
  Folder folder;
  require_failure(run("train_lenet5_relu", {(folder / "nowhere").string()}), 3, "nowhere");
  require_failure(run("train_lenet5_relu", {folder.path().string()}), 3, folder.path().string());

  make_cifar(folder / "cut", 20, 10);
  write_text(folder / "cut" / "data_batch_1.bin", cifar_records(20).substr(0, 20 * 3073 - 100));
  require_failure(run("train_lenet5_relu", {(folder / "cut").string()}), 3, "data_batch_1.bin");

  make_cifar(folder / "label", 20, 10);
  std::string records = cifar_records(20);
  records[3073 * 7] = 11;
  write_text(folder / "label" / "data_batch_1.bin", records);
  require_failure(run("train_lenet5_relu", {(folder / "label").string()}), 3, "11");

  make_cifar(folder / "page", 20, 10);
  write_text(folder / "page" / "data_batch_1.bin", "<!DOCTYPE html><html><body>404 Not Found</body></html>\n");
  require_failure(run("train_lenet5_relu", {(folder / "page").string()}), 3, "data_batch_1.bin");

  make_cifar(folder / "directory", 20, 10);
  fs::remove(folder / "directory" / "data_batch_1.bin");
  fs::create_directory(folder / "directory" / "data_batch_1.bin");
  require_failure(run("train_lenet5_relu", {(folder / "directory").string()}), 3, "data_batch_1.bin");

  make_cifar(folder / "many", 20, 10);
  require_failure(run("train_lenet5_relu", {(folder / "many").string(), "--outputs", "5"}), 3, "--outputs");
}

TEST_CASE("a device that cannot be had: exit code 5, and auto says what it took") {
  Folder folder;
  make_cifar(folder / "data", 20, 10);
  const std::string data = (folder / "data").string();
  require_failure(run("train_lenet5_relu", {data, "--device", "tpu"}), 5, "tpu");
  require_failure(run("train_lenet5_relu", {data, "--device", "cuda:77"}), 5, "cuda");
  require_failure(run("train_lenet5_relu", {data, "--device", "cpu", "--kernels", "vendor"}), 5, "--kernels vendor");
  require_failure(run("train_lenet5_relu", {data, "--device", "cpu", "--precision", "tf32"}), 5, "tf32");
  const Outcome automatic = run("train_lenet5_relu", {data, "--steps", "1", "--out", (folder / "run").string()});
  CHECK(automatic.code == 0);
  CHECK_THAT(automatic.err, Contains("device   "));
}

TEST_CASE("the fast recipe trains, and a run in bf16 goes on where it was cut") {
  Folder folder;
  make_cifar(folder / "data", 48, 16);
  const std::string data = (folder / "data").string();
  const auto train = [&](const std::string& out, std::vector<std::string> more) {
    std::vector<std::string> arguments{
        data, "--recipe", "fast", "--epochs", "2", "--batch-size", "16", "--out", (folder / out).string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run("train_resnet18", arguments);
  };
  const Outcome whole = train("whole", {});
  INFO(whole.err);
  REQUIRE(whole.code == 0);
  const std::string config = read_text(folder / "whole" / "config.json");
  CHECK_THAT(config, Contains("\"one cycle\"") && Contains("\"precision\": \"bf16\"") &&
                         Contains("\"augment\": \"standard\"") && Contains("\"nesterov\": true") &&
                         Contains("\"id\": \"resnet18-fast\""));
  REQUIRE(train("cut", {"--steps", "2"}).code == 0);
  REQUIRE(run("train_resnet18", {"--resume", (folder / "cut").string(), "--steps", "6"}).code == 0);
  CHECK(read_text(folder / "cut" / "last.safetensors") == read_text(folder / "whole" / "last.safetensors"));
  CHECK_THAT(run("evaluate", {(folder / "whole" / "last.safetensors").string(), data, "--precision", "bf16"}).last_line(),
             StartsWith("test: accuracy 0."));
  CHECK_THAT(
      run("predict", {(folder / "whole" / "last.safetensors").string(), data, "--index", "2", "--precision", "bf16"}).out,
      Contains("predicted "));
  CHECK(run("train_resnet18", {data, "--recipe", "fast", "--precision", "fp32", "--steps", "1", "--batch-size", "8", "--out",
                               (folder / "fp32").string()})
            .code == 0);
  CHECK_THAT(read_text(folder / "fp32" / "config.json"), Contains("\"precision\": \"fp32\""));
}

TEST_CASE("a run leaves its files, and its last line is the test's") {
  Folder folder;
  make_cifar(folder / "data", 100, 40);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  const Outcome training = run("train_lenet5_relu", {data, "--epochs", "2", "--out", out, "--seed", "3"});
  INFO(training.err);
  REQUIRE(training.code == 0);
  CHECK_THAT(training.last_line(), StartsWith("test: accuracy 0.") && Contains(" top-5 ") && Contains(" loss "));
  CHECK(training.err.find('\x1b') == std::string::npos);  // not a terminal: no escape codes
  for (const char* file : {"config.json", "history.csv", "last.safetensors", "best.safetensors", "checkpoints"})
    CHECK(fs::exists(fs::path(out) / file));
  CHECK_THAT(read_text(fs::path(out) / "history.csv"),
             StartsWith("epoch,accuracy,loss,val_accuracy,val_loss,lr,seconds,images_per_second,step\n"));

  SECTION("the same seed gives the same file, another seed another") {
    const std::string weights = read_text(fs::path(out) / "last.safetensors");
    for (const auto& [seed, same] : {std::pair{"3", true}, std::pair{"4", false}}) {
      const std::string again = (folder / (std::string("again") + seed)).string();
      REQUIRE(run("train_lenet5_relu", {data, "--epochs", "2", "--out", again, "--seed", seed}).code == 0);
      CHECK((read_text(fs::path(again) / "last.safetensors") == weights) == same);
    }
  }
  SECTION("evaluate agrees with the closing test, in prose and in JSON") {
    const std::string weights = out + "/last.safetensors";
    const Outcome prose = run("evaluate", {weights, data, "--batch-size", "32", "--logits", (folder / "z.npy").string()});
    INFO(prose.err);
    REQUIRE(prose.code == 0);
    CHECK(prose.last_line() == training.last_line());
    const std::string npy = read_text(folder / "z.npy");
    CHECK(npy.substr(1, 5) == "NUMPY");
    CHECK(npy.size() % 64 == (40 * 10 * 4) % 64);
    CHECK_THAT(npy, Contains("'shape': (40,10,)"));
    const Outcome json = run("evaluate", {weights, data, "--json"});
    CHECK_THAT(json.out, StartsWith("{\"accuracy\":") && Contains("\"confusion\":[["));
    CHECK_THAT(run("summary", {weights}).out, Contains("Total params: 62,006"));
    CHECK_THAT(run("summary", {weights, "--json"}).out, Contains("\"total_params\":62006"));
  }
  SECTION("weights of another network, broken weights, an unknown file: exit code 4") {
    require_failure(run("evaluate", {out + "/last.safetensors", data, "--network", "resnet18"}), 4, "missing");
    require_failure(run("train_resnet18", {data, "--weights", out + "/last.safetensors", "--out", (folder / "x").string()}),
                    4, "missing");
    const std::string bytes = read_text(fs::path(out) / "last.safetensors");
    write_text(folder / "cut.safetensors", bytes.substr(0, bytes.size() - 1));
    require_failure(run("evaluate", {(folder / "cut.safetensors").string(), data}), 4, "cut.safetensors");
    require_failure(run("evaluate", {(folder / "none.safetensors").string(), data}), 4, "none.safetensors");
  }
  SECTION("a finished run's folder is not overwritten") {
    require_failure(run("train_lenet5_relu", {data, "--out", out}), 2, "--resume");
  }
  SECTION("--json prints objects only") {
    const Outcome json = run("train_lenet5_relu", {data, "--epochs", "1", "--out", (folder / "json").string(), "--json"});
    REQUIRE(json.code == 0);
    CHECK_THAT(json.out, StartsWith("{\"event\":\"epoch\""));
    CHECK_THAT(json.last_line(), StartsWith("{\"accuracy\":") && Contains("\"top-5\":") && Contains("\"loss\":"));
  }
  SECTION("--quiet keeps results and drops progress") {
    const Outcome quiet = run("train_lenet5_relu", {data, "--epochs", "1", "--out", (folder / "quiet").string(), "--quiet"});
    REQUIRE(quiet.code == 0);
    CHECK_THAT(quiet.last_line(), StartsWith("test: "));
    CHECK(quiet.err.find("epoch") == std::string::npos);
  }
}

TEST_CASE("the emulated CUDA kernels train as the CPU does") {
  Folder folder;
  make_cifar(folder / "data", 64, 16);
  const auto losses = [&](const std::string& device) {
    const std::string out = (folder / device).string();
    const Outcome outcome = run("train_lenet5_relu", {(folder / "data").string(), "--device", device, "--batch-size", "16",
                                                      "--epochs", "2", "--out", out});
    INFO(outcome.err);
    REQUIRE(outcome.code == 0);
    std::vector<double> values;
    std::istringstream rows(read_text(fs::path(out) / "history.csv"));
    std::string line;
    for (std::getline(rows, line); std::getline(rows, line);) {
      std::istringstream cells(line);
      std::string cell;
      for (int i = 0; std::getline(cells, cell, ','); ++i)
        if (i == 2 || i == 4) values.push_back(std::stod(cell));
    }
    return values;
  };
  const std::vector<double> cpu = losses("cpu"), emulated = losses("emulated");
  REQUIRE(cpu.size() == 4);
  REQUIRE(emulated.size() == 4);
  for (std::size_t i = 0; i < cpu.size(); ++i) CHECK(emulated[i] == Approx(cpu[i]).epsilon(1e-4));
}
