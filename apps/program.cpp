#include "apps/program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <new>
#include <string_view>
#include <vector>

#include "engine/core/error.h"
#include "engine/data/open.h"
#include "engine/report/suggest.h"
#include "kernels/errors.h"

namespace tessera {
namespace {

int report(const char* message, ExitCode code) {
  std::fprintf(stderr, "error: %s\n", message);
  return static_cast<int>(code);
}

// The options' names, as they are written.
std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

// CLI11 takes whatever follows an option as its value, also the next option.
void require_values(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> names = option_names(app);
  const auto is_option = [&](std::string_view word) { return std::find(names.begin(), names.end(), word) != names.end(); };
  for (int i = 1; i + 1 < argc && std::string_view(argv[i]) != "--"; ++i) {
    if (!is_option(argv[i]) || app.get_option(argv[i])->get_items_expected_min() == 0) continue;
    if (is_option(argv[i + 1])) throw UsageError(std::string(argv[i]) + " needs a value before " + argv[i + 1]);
    ++i;
  }
}

// What is wrong with the command line, in one line. CLI11 names what is missing before what is not known; but where a name
// is mistyped, that is the mistake.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> words = app.remaining();
  for (const std::string& word : words)
    if (word.size() > 1 && word[0] == '-') {
      const std::string name = word.substr(0, word.find('='));
      return "there is no option " + printable(name) + did_you_mean(name, option_names(app));
    }
  if (!words.empty() && dynamic_cast<const CLI::ExtrasError*>(&error)) {
    std::string list;
    for (const std::string& word : words) list += " " + printable(word);
    return "not expected:" + list;
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error)) {
    for (const CLI::Option* option : app.get_options())
      if (error.what() == option->get_name() || std::string_view(error.what()).starts_with(option->get_name() + ":"))
        return option->get_name() + (option->count() > 1 ? " is given more than once" : " needs a value");
  }
  std::string text = error.what();
  if (dynamic_cast<const CLI::ValidationError*>(&error))  // "--lr: nan: expected a number above 0"
    if (const std::size_t colon = text.find(": "); colon != std::string::npos) text.erase(colon, 1);
  return text;
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  app.set_version_flag("--version", std::string("Tessera ") + TESSERA_VERSION, "Print the version and exit");
  app.get_formatter()->column_width(36);
  app.option_defaults()->always_capture_default();
  try {
    require_values(app, argc, argv);
    app.parse(argc, argv);
  } catch (const UsageError& error) {
    return report(error.what(), error.code);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::fprintf(stderr, "error: %s\nsee %s --help\n", explain(app, error).c_str(), app.get_name().c_str());
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
  } catch (const std::filesystem::filesystem_error& error) {
    return report((error.path1().string() + ": " + error.code().message()).c_str(), ExitCode::failure);
  } catch (const std::exception& error) {
    return report((std::string("a mistake of this program, please report it: ") + error.what()).c_str(), ExitCode::failure);
  }
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

std::filesystem::path new_run_folder(const std::string& name) {
  const std::time_t now = std::time(nullptr);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", std::localtime(&now));
  const std::string base = "runs/" + name + "-" + stamp;
  std::filesystem::path folder = base;
  for (int i = 2; std::filesystem::exists(folder); ++i) folder = base + "-" + std::to_string(i);
  return folder;
}

}  // namespace tessera
