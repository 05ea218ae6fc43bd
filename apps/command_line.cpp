#include "apps/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "engine/core/error.h"
#include "engine/core/foreign_text.h"
#include "engine/report/suggest.h"

namespace tessera {
namespace {

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

// An empty word is a shell variable that is not set; taken for "not given", it would train from scratch where weights were
// meant, or write to the default folder.
// And ~ is the home folder only where a shell has put that in its place, which it does not behind = or in quotes; a folder
// of that name is hard to be rid of.
void refuse_words_of_the_shell(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& value : option->results()) {
      if (value.empty()) throw UsageError(option->get_name() + " is empty; is a variable of the shell not set?");
      if (value == "~" || value.starts_with("~/"))
        throw UsageError(option->get_name() + " " + printable(value) +
                         ": the shell left ~ as it is, behind = or in quotes; write \"$HOME\"" + value.substr(1));
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

void parse_command_line(CLI::App& app, int argc, char** argv) {
  require_values(app, argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success&) {
    throw;
  } catch (const CLI::ParseError& error) {
    throw UsageError(explain(app, error));
  }
  refuse_words_of_the_shell(app);
}

}  // namespace tessera
