// Reading a command line, and saying what is wrong with it.
#pragma once

namespace CLI {
class App;
}

namespace tessera {

// Into what `app` is bound to. UsageError with one line: a mistyped option with what may have been meant, a value that is
// missing or not allowed, words too many. CLI::Success where --help or --version was asked for.
void parse_command_line(CLI::App& app, int argc, char** argv);

}  // namespace tessera
