// report.html of a run: there after training, after a signal, and going on after a resume.
#include <signal.h>

#include "tests/catch.h"
#include "tests/programs/run.h"
#include "tests/text.h"

using namespace tessera::tests;
using Catch::Contains;
namespace fs = std::filesystem;

TEST_CASE("a finished run has a report that agrees with its test line, and a resumed one goes on with its curves") {
  Folder folder;
  make_cifar(folder / "data", 200, 50);
  const std::string data = (folder / "data").string(), out = (folder / "run").string();
  const Outcome first = run("train_lenet5_relu", {data, "--epochs", "2", "--out", out, "--threads", "1"});
  INFO(first.err);
  REQUIRE(first.code == 0);
  const std::string html = read_text(fs::path(out) / "report.html");
  const std::string accuracy = first.last_line().substr(std::string("test: accuracy ").size(), 6);
  CHECK_THAT(html, Contains("<dt>test accuracy</dt><dd>" + std::to_string(std::stoi(accuracy.substr(2)) / 100) + "."));
  CHECK_THAT(html, Contains("<dt>epochs</dt><dd>2") && Contains("class=\"matrix\"") && Contains("Surest mistakes"));
  CHECK(count_of(html, "class=\"chart\"") == 2);
  CHECK(count_of(html, "class=\"target\"") == 2 * 2);
  CHECK(count_of(html, "<img src=\"data:image/png;base64,") ==
        2 * 24 + 6);  // mistakes, what spoke for them, the first layer's filters
  CHECK(html.find("http:") == std::string::npos);
  CHECK(html.find("https:") == std::string::npos);

  const Outcome more = run("train_lenet5_relu", {"--resume", out, "--epochs", "5"});
  INFO(more.err);
  REQUIRE(more.code == 0);
  const std::string longer = read_text(fs::path(out) / "report.html");
  CHECK_THAT(longer, Contains("<dt>epochs</dt><dd>5"));
  CHECK(count_of(longer, "class=\"target\"") == 2 * 5);
}

TEST_CASE("a run stopped by a signal has a report of what there is") {
  Folder folder;
  make_cifar(folder / "data", 2000, 50);
  const std::string out = (folder / "run").string();
  Process process("train_lenet5_relu",
                  {(folder / "data").string(), "--batch-size", "8", "--epochs", "1000", "--out", out, "--threads", "1"});
  REQUIRE(process.wait_for(fs::path(out) / "best.safetensors"));
  process.signal(SIGTERM);
  const Outcome stopped = process.wait();
  INFO(stopped.err);
  REQUIRE(stopped.code == 143);
  const std::string html = read_text(fs::path(out) / "report.html");
  CHECK_THAT(html, Contains("class=\"notice\"") && Contains("class=\"chart\"") && Contains("validation accuracy"));
  CHECK(html.find("class=\"matrix\"") == std::string::npos);
}
