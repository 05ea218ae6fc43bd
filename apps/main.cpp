// tessera VERB …: one executable for all programs. Under another name (a link) it is that program: evaluate,
// train_<network>.
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "apps/program.h"
#include "apps/verbs.h"
#include "engine/core/error.h"
#include "engine/core/foreign_text.h"
#include "engine/report/suggest.h"
#include "models/catalogue.h"

#ifdef __GLIBC__  // known by now: every header of the standard library says so
#include <malloc.h>
#endif

namespace {

using namespace tessera;

struct Verb {
  std::string_view name;
  const char *arguments, *description;
  int (*run)(int argc, char** argv);
};

const Verb verbs[] = {
#define TESSERA_VERB(verb, arguments, description) {#verb, arguments, description, verb##_main},
#include "apps/verbs.def"
#undef TESSERA_VERB
};

const Verb* find_verb(std::string_view name) {
  for (const Verb& verb : verbs)
    if (verb.name == name) return &verb;
  return nullptr;
}

std::string networks_text() {
  std::string text = "Networks:\n";
  for (const NetworkEntry& entry : catalogue()) {
    std::string id = entry.id;
    id.resize(std::max<std::size_t>(id.size() + 1, 26), ' ');
    text += "  " + id + entry.description + "\n";
  }
  return text;
}

std::string help_text() {
  std::string text =
      "Trains convolutional networks and puts them to use.\n"
      "Usage: tessera VERB ...\n\n"
      "Verbs:\n";
  const auto row = [&](std::string call, const char* description) {
    call.resize(std::max<std::size_t>(call.size() + 1, 26), ' ');
    text += "  " + call + description + "\n";
  };
  row("train NETWORK DATA", "trains a network with its own recipe");
  for (const Verb& verb : verbs) row(std::string(verb.name) + " " + verb.arguments, verb.description);
  return text + "\n" + networks_text() +
         "\nEvery verb has --help, which shows each option with its default. tessera --version prints the version.\n";
}

int print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return 0;
}

int usage_error(const std::string& message, const std::string& program) {
  std::fprintf(stderr, "error: %s\nsee %s --help\n", escaped(message, Keep::lines).c_str(), program.c_str());
  return static_cast<int>(ExitCode::usage);
}

// Calls a verb with what follows argv[skipped] and the name it goes by.
template <class Run>
int call(std::string name, int skipped, int argc, char** argv, const Run& run) {
  std::vector<char*> arguments = {name.data()};
  arguments.insert(arguments.end(), argv + skipped + 1, argv + argc);
  const auto count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  return run(count, arguments.data());
}

// tessera train NETWORK …
int train(int argc, char** argv) {
  const std::string network = argc > 2 ? argv[2] : "";
  if (network == "--help" || network == "-h")
    return print("Trains a network with its own recipe.\nUsage: tessera train NETWORK DATA [OPTIONS]\n\n" + networks_text() +
                 "\nThe options of one: tessera train NETWORK --help\n");
  if (network.empty() || network[0] == '-') return usage_error("train: name a network first", "tessera train");
  if (!find_network(network)) {
    std::vector<std::string> ids;
    for (const NetworkEntry& entry : catalogue()) ids.emplace_back(entry.id);
    return usage_error("no network is called " + printable(network) + did_you_mean(network, ids), "tessera train");
  }
  return call("tessera train " + network, 2, argc, argv,
              [&](int count, char** arguments) { return train_main(network.c_str(), count, arguments); });
}

int tessera_main(int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (word == "--help" || word == "-h" || word == "help") return print(help_text());
  if (word == "--version") return print(std::string("Tessera ") + TESSERA_VERSION + "\n");
  if (word.empty()) return usage_error("name what to do: train, evaluate, ...", "tessera");
  if (word == "train") return train(argc, argv);
  if (const Verb* verb = find_verb(word)) return call("tessera " + word, 1, argc, argv, verb->run);
  std::vector<std::string> names = {"train"};
  for (const Verb& verb : verbs) names.emplace_back(verb.name);
  return usage_error("no verb is called " + printable(word) + did_you_mean(word, names), "tessera");
}

// By the name it was called.
int named_main(int argc, char** argv) {
  const std::string path = argc > 0 ? argv[0] : "tessera";
  const std::string name = path.substr(path.rfind('/') + 1);
  if (const Verb* verb = find_verb(name)) return call(name, 0, argc, argv, verb->run);
  if (constexpr std::string_view prefix = "train_"; name.starts_with(prefix)) {
    const std::string network = name.substr(prefix.size());
    if (find_network(network))
      return call(name, 0, argc, argv,
                  [&](int count, char** arguments) { return train_main(network.c_str(), count, arguments); });
  }
  return tessera_main(argc, argv);
}

}  // namespace

int main(int argc, char** argv) {
#ifdef __GLIBC__
  // By default glibc learns from large blocks that are freed to keep the next ones, up to 32 MiB each, in a heap that is left
  // with holes: after CIFAR-10 was read, 120 MiB of them. What giving them back costs: docs/results/memory.md.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  return guarded(named_main, argc, argv);
}
