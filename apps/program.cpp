#include "apps/program.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>
#include <system_error>

#include "apps/command_line.h"
#include "apps/emergency.h"
#include "engine/core/error.h"
#include "engine/core/memory.h"
#include "engine/data/open.h"
#include "engine/files/weights_file.h"
#include "engine/parallel/launch.h"
#include "kernels/backends.h"
#include "kernels/errors.h"

namespace tessera {
namespace {

using Say = std::function<void(const char* text)>;

// `text` makes the message, which may need memory that is not there.
template <class Text>
int report(const Text& text, ExitCode code, const Say& say) noexcept {
  try {
    say(std::string(text()).c_str());
  } catch (const std::bad_alloc&) {
    std::fputs("error: no memory is left to say what went wrong\n", stderr);
  }
  return static_cast<int>(code);
}

void print_error(const char* text) { std::fprintf(stderr, "error: %s\n", escaped(text, Keep::lines).c_str()); }

// A standard stream that is closed would lend its number to the first file that is opened, weights perhaps. What is put in
// its place refuses writing, so that results that nobody can get are noticed; messages are dropped.
void open_standard_streams() {
  const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
  for (int descriptor = 0; descriptor < 3; ++descriptor)
    if (::fcntl(descriptor, F_GETFD) < 0 && errno == EBADF) (void)::open("/dev/null", modes[descriptor]);
}

// A program whose results did not get out has not succeeded. A reader who has gone wants no message.
int finish(int code) {
  std::cout.flush();
  if (std::fflush(stdout) == 0 && !std::ferror(stdout) && std::cout) return code;
  pollfd output{STDOUT_FILENO, 0, 0};
  if (::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0) return 128 + SIGPIPE;
  std::fprintf(stderr, "error: not all results could be written to standard output; is its disk full, or is it closed?\n");
  return code == 0 ? static_cast<int>(ExitCode::failure) : code;
}

}  // namespace

int explain_exception(const Say& say) noexcept {
  const auto what = [](const std::exception& error) { return [&error] { return std::string_view(error.what()); }; };
  try {
    throw;
  } catch (const Error& error) {
    return report(what(error), error.code, say);
  } catch (const kernels::DeviceError& error) {
    return report(what(error), ExitCode::device, say);
  } catch (const std::bad_alloc&) {
    return report([] { return std::string_view("out of memory on the host: use a smaller --batch-size or --limit-train"); },
                  ExitCode::device, say);
  } catch (const std::filesystem::filesystem_error& error) {
    return report([&] { return error.path1().string() + ": " + error.code().message(); }, ExitCode::failure, say);
  } catch (const std::system_error& error) {
    // The library throws it where a thread cannot be had.
    return report(what(error),
                  error.code() == std::errc::resource_unavailable_try_again ? ExitCode::device : ExitCode::failure, say);
  } catch (const std::exception& error) {
    return report([&] { return std::string("a mistake of this program, please report it: ") + error.what(); },
                  ExitCode::failure, say);
  } catch (...) {
    return report([] { return std::string_view("something unknown was thrown"); }, ExitCode::failure, say);
  }
}

int guarded(int (*body)(int argc, char** argv), int argc, char** argv) noexcept {
  open_standard_streams();
  let_allocations_fail();
  try {
    // A GPU's driver maps its memory into the process, which the limit would count.
    if (!kernels::find_backend("cuda")) limit_memory();
    return finish(body(argc, argv));
  } catch (...) {
    return explain_exception(print_error);
  }
}

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  app.name(argv[0]);
  app.set_version_flag("--version", std::string("Tessera ") + TESSERA_VERSION, "Print the version and exit");
  app.get_formatter()->column_width(36);
  app.option_defaults()->always_capture_default();
  try {
    parse_command_line(app, argc, argv);
  } catch (const CLI::Success& wish) {
    return app.exit(wish);  // --help, --version
  } catch (const UsageError& error) {
    if (launch_of_environment().rank == 0)  // of several ranks all find the same
      std::fprintf(stderr, "error: %s\nsee %s --help\n", escaped(error.what(), Keep::lines).c_str(), app.get_name().c_str());
    return static_cast<int>(error.code);
  }
  return body();
}

void add_output_options(CLI::App& app, OutputOptions& options) {
  app.add_flag("--quiet", options.quiet, "Results and warnings only");
  app.add_flag("--json", options.json, "One JSON object per line on standard output instead of prose");
}

std::string data_help() {
  std::string text = "One of:";
  for (const DatasetFormat& format : dataset_formats()) text += std::string("\n") + format.looks_like;
  return text;
}

std::string weights_help() { return std::string("Weights: ") + formats_read; }

}  // namespace tessera
