// What all programs share: their frame (help, version, exit codes) and the way they report a failure.
#pragma once

#include <functional>
#include <string>

#include "engine/run/console.h"

namespace CLI {
class App;
}

namespace tessera {

// What main calls. Whatever `body` throws becomes one line on standard error and the exit code that belongs to it; nothing
// ends in abort(). Results that could not be written to standard output end it with 1, or with 141 where their reader has
// gone.
int guarded(int (*body)(int argc, char** argv), int argc, char** argv) noexcept;

// What the exception that is being handled says, told to `say`, and the exit code that belongs to it. To be called in a catch.
int explain_exception(const std::function<void(const char* text)>& say) noexcept;

// Parses the command line into what `app` is bound to and runs `body`, whose result is the exit code.
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

// --quiet and --json.
struct OutputOptions {
  bool quiet = false, json = false;
  Verbosity verbosity() const { return json ? Verbosity::json : quiet ? Verbosity::quiet : Verbosity::normal; }
};
void add_output_options(CLI::App& app, OutputOptions& options);

// What DATA may be, for --help: every form that open_dataset() reads.
std::string data_help();
// What WEIGHTS may be: every format that read_weights() reads.
std::string weights_help();

}  // namespace tessera
