#include "apps/program.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <new>

#include "engine/core/error.h"
#include "kernels/errors.h"

namespace tessera {
namespace {

int report(const char* message, ExitCode code) {
  std::fprintf(stderr, "error: %s\n", message);
  return static_cast<int>(code);
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  app.set_version_flag("--version", std::string("Tessera ") + TESSERA_VERSION, "Print the version and exit");
  app.get_formatter()->column_width(36);
  app.option_defaults()->always_capture_default();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::fprintf(stderr, "error: %s\nsee %s --help\n", error.what(), app.get_name().c_str());
    return static_cast<int>(ExitCode::usage);
  }
  try {
    return body();
  } catch (const Error& error) {
    return report(error.what(), error.code);
  } catch (const kernels::DeviceError& error) {
    return report(error.what(), ExitCode::device);
  } catch (const std::bad_alloc&) {
    return report("out of memory on the host: use a smaller --batch-size or --limit-train", ExitCode::device);
  } catch (const std::exception& error) {
    return report(error.what(), ExitCode::failure);
  }
}

void add_output_options(CLI::App& app, OutputOptions& options) {
  app.add_flag("--quiet", options.quiet, "Results and warnings only");
  app.add_flag("--json", options.json, "One JSON object per line on standard output instead of prose");
}

}  // namespace tessera
