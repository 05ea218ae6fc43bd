// Where programs write to, and what they say when that fails.
#include <signal.h>
#include <sys/stat.h>

#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
using Catch::StartsWith;
namespace fs = std::filesystem;

namespace {

// Small data and weights trained on it, once for all sections of a test.
struct Trained {
  Trained() {
    make_cifar(folder / "data", 20, 10);
    REQUIRE(run("train_lenet5_relu", {data(), "--steps", "2", "--out", (folder / "run").string()}).code == 0);
  }
  std::string data() const { return (folder / "data").string(); }
  std::string weights() const { return (folder / "run/last.safetensors").string(); }
  Folder folder;
};

}  // namespace

TEST_CASE("outputs: standard output, devices, FIFOs and links") {
  const Trained t;
  const std::string w = t.weights(), d = t.data(), f = t.folder.path().string();

  // - is standard output, and it carries nothing but the file.
  const Outcome text = shell("$BIN/export " + w + " --txt -");
  INFO(text.err);
  CHECK(text.code == 0);
  CHECK_THAT(text.out, StartsWith("conv_unit.0.weight\n(6, 3, 5, 5)\n"));
  CHECK_THAT(text.err, Contains("10 variables"));
  REQUIRE(run("export", {w, "--txt", f + "/weights.txt"}).code == 0);
  CHECK(read_text(f + "/weights.txt") == text.out);
  CHECK(shell("$BIN/export " + w + " --txt /dev/stdout | cat").out == text.out);
  const Outcome picture = shell("$BIN/show " + d + " --out -");
  CHECK_THAT(picture.out, StartsWith("\x89PNG"));
  CHECK_THAT(picture.err, Contains("images (20, 32, 32, 3)"));
  CHECK_THAT(shell("$BIN/evaluate " + w + " " + d + " --logits - --json").out, StartsWith("\x93NUMPY"));

  CHECK(run("export", {w, "--txt", "/dev/null"}).code == 0);
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(shell("mkfifo " + f + "/fifo; cat " + f + "/fifo & $BIN/export " + w + " --txt " + f + "/fifo --json; wait")
            .out.size() > text.out.size());
  fs::create_symlink("target", t.folder / "link");
  CHECK(run("show", {d, "--out", f + "/link"}).code == 0);
  CHECK(fs::is_symlink(t.folder / "link"));
  CHECK_THAT(read_text(t.folder / "target"), StartsWith("\x89PNG"));
}

TEST_CASE("a FIFO that nobody reads is waited for until a signal comes") {
  const Trained t;
  const std::string fifo = t.folder / "fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  Process process("show", {t.data(), "--out", fifo});
  CHECK_FALSE(process.wait_for(t.folder / "never", 0.5));
  CHECK(process.running());
  process.signal(SIGTERM);
  CHECK(process.wait().code == 143);
}

TEST_CASE("an output that cannot be written is refused before anything is computed") {
  const Trained t;
  const std::string w = t.weights(), d = t.data(), f = t.folder.path().string();
  const Outcome same = run("export", {w, "--txt", w});
  CHECK(same.code == 2);
  CHECK_THAT(same.err, Contains("both input and output"));
  CHECK(run("evaluate", {w, d}).code == 0);  // the weights are still there
  CHECK(run("evaluate", {w, d, "--logits", w}).code == 2);
  CHECK(run("evaluate", {w, d, "--logits", f}).code == 4);
  CHECK(run("show", {d, "--out", f}).code == 1);
  CHECK_THAT(run("show", {d, "--out", f + "/none/show.png"}).err, Contains("is no folder"));
  CHECK(run("export", {w, "--txt", "/dev/full"}).code == 4);
}

TEST_CASE("results that did not get out are a failure") {
  const Trained t;
  const std::string w = t.weights(), d = t.data();
  for (const std::string& command : std::initializer_list<std::string>{
           "summary lenet5_relu", "evaluate " + w + " " + d, "predict " + w + " " + d + " --index 0",
           "train_lenet5_relu " + d + " --steps 1 --out " + (t.folder / "full").string(), std::string("evaluate --help"),
           std::string("summary --version")}) {
    const Outcome full = shell("$BIN/" + command + " > /dev/full");
    INFO(command << ": " << full.err);
    CHECK(full.code == 1);
    CHECK_THAT(full.err, Contains("standard output"));
  }
  const Outcome closed = shell("$BIN/evaluate " + w + " " + d + " >&-");
  CHECK(closed.code == 1);
  CHECK_THAT(closed.err, Contains("standard output"));
  CHECK(shell("$BIN/evaluate " + w + " " + d + " 2>&-").code == 0);
  // The pause lets the reader go first.
  for (const char* way : {"", "trap '' PIPE; "})
    CHECK(shell(std::string(way) + "{ sleep 0.5; $BIN/summary lenet5_relu; } | true; exit ${PIPESTATUS[0]}").code == 141);
}

TEST_CASE("FIFOs, devices and folders in the place of input files are named at once") {
  const Trained t;
  const std::string w = t.weights(), d = t.data(), fifo = t.folder / "fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  using Row = std::tuple<const char*, std::vector<std::string>, int>;
  for (const auto& [what, arguments, code] :
       std::initializer_list<Row>{{"evaluate", {fifo, d}, 4},
                                  {"evaluate", {"/dev/zero", d}, 4},
                                  {"evaluate", {t.folder.path().string(), d}, 4},
                                  {"export", {fifo, "--txt", "-"}, 4},
                                  {"summary", {fifo}, 4},
                                  {"predict", {w, fifo}, 3},
                                  {"predict", {w, "/dev/zero"}, 3},
                                  {"train_lenet5_relu", {d, "--weights", fifo, "--out", t.folder / "run2"}, 4}}) {
    Process process(what, arguments);
    INFO(what << " " << arguments[0]);
    CHECK_FALSE(process.wait_for(t.folder / "never", 20));
    CHECK_FALSE(process.running());
    const Outcome outcome = process.wait();
    CHECK(outcome.code == code);
    CHECK_THAT(outcome.err, Contains("a file is needed here"));
  }
}
