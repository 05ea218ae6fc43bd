// What a run draws on a terminal: one line again and again, never as wide as the window, cleared before anything else is said.
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "engine/report/text.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;

namespace {

struct Shown {
  int code = -1;
  std::string text;

  std::vector<std::string> drawn() const {
    std::vector<std::string> lines;
    for (std::size_t at = text.find('\r'); at != text.npos; at = text.find('\r', at + 1))
      if (const std::size_t end = text.find("\033[K", at); end != text.npos && end > at + 1 && text[at + 1] != '\n')
        lines.push_back(text.substr(at + 1, end - at - 1));
    return lines;
  }
};

// `kind`: TERM; null: not set.
Shown on_terminal(unsigned short columns, const std::string& program, std::vector<std::string> arguments,
                  const char* kind = "xterm") {
  const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  arguments.insert(arguments.begin(), std::string(TESSERA_BIN) + "/" + program);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  REQUIRE(child >= 0);
  if (child == 0) {
    kind ? ::setenv("TERM", kind, 1) : ::unsetenv("TERM");
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  Shown shown;
  char piece[4096];
  for (ssize_t got; (got = ::read(terminal, piece, sizeof piece)) > 0;)
    shown.text.append(piece, static_cast<std::size_t>(got));
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(terminal);
  shown.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return shown;
}

}  // namespace

TEST_CASE("a run on a terminal draws a line that fits the window and is cleared before anything else is said") {
  const Folder folder;
  make_cifar(folder / "data", 400, 20);
  const std::string data = (folder / "data").string();
  for (const unsigned short columns : {std::uint16_t{100}, std::uint16_t{48}, std::uint16_t{12}}) {
    const Shown shown =
        on_terminal(columns, "train_lenet5_relu",
                    {data, "--batch-size", "1", "--epochs", "2", "--out", (folder / std::to_string(columns)).string()});
    INFO(columns << " columns: " << shown.text);
    CHECK(shown.code == 0);
    const std::vector<std::string> drawn = shown.drawn();
    REQUIRE(!drawn.empty());  // of the first step at least
    for (const std::string& line : drawn) {
      CHECK(line.starts_with("epoch "));
      CHECK(tessera::display_width(line) < columns);
    }
    CHECK_THAT(shown.text, Contains("\r\033[Kepoch 1/2  loss "));
    CHECK_THAT(shown.text, Contains("\nepoch 2/2  loss ") || Contains("\r\033[Kepoch 2/2  loss "));  // soon over, undrawn
    if (columns == 100) {
      CHECK_THAT(drawn.front(), Contains("epoch 1/2 ") && Contains("/400") && Contains("images/s"));
      CHECK_THAT(drawn.back(), Contains("ETA "));
    }
  }
}

TEST_CASE("on a terminal that cannot take lines back nothing is drawn, and what is said is said") {
  const Folder folder;
  make_cifar(folder / "data", 20, 10);
  for (const char* kind : {"dumb", static_cast<const char*>(nullptr)}) {
    const std::string out = (folder / (kind ? kind : "none")).string();
    const Shown shown =
        on_terminal(80, "train_lenet5_relu", {(folder / "data").string(), "--epochs", "1", "--out", out}, kind);
    INFO(shown.text);
    CHECK(shown.code == 0);
    CHECK(shown.text.find('\033') == std::string::npos);
    CHECK_THAT(shown.text, Contains("epoch 1/1  loss "));
  }
}

TEST_CASE("with --quiet or --json nothing is drawn on a terminal") {
  const Folder folder;
  make_cifar(folder / "data", 20, 10);
  for (const char* option : {"--quiet", "--json"}) {
    const Shown shown =
        on_terminal(80, "train_lenet5_relu",
                    {(folder / "data").string(), "--epochs", "1", option, "--out", (folder / std::string(option)).string()});
    INFO(shown.text);
    CHECK(shown.code == 0);
    CHECK(shown.text.find('\033') == std::string::npos);
  }
}
