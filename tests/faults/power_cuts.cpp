// What a power cut may leave of a run folder at any moment: every prefix of what a program changed in the file system, with
// what was not synced there, lost or torn. Whatever it is, what was promised is in it, and the run goes on to the bits of the
// undisturbed one.
//
// The promises: a checkpoint whose name is in `latest` can be resumed from; config.json, best.safetensors, last.safetensors
// and report.html are not there, or are what the program once had there, whole; once it has ended, they are its last ones.
#include <sys/stat.h>

#include <mutex>
#include <set>

#include "tests/catch.h"
#include "tests/faults/campaign.h"
#include "tests/faults/disk.h"
#include "tests/faults/subjects.h"

using namespace tessera::tests;
namespace fs = std::filesystem;

namespace {

const char* const whole_files[] = {"config.json", "best.safetensors", "last.safetensors", "report.html"};

const Loss losses[] = {
    {Loss::Entries::there, Loss::Data::there, "a kill"},
    {Loss::Entries::there, Loss::Data::lost, "unsynced data is lost"},
    {Loss::Entries::there, Loss::Data::torn, "unsynced data is torn"},
    {Loss::Entries::there, Loss::Data::zeros, "unsynced data is zeros"},
    {Loss::Entries::lost, Loss::Data::there, "unsynced entries are lost"},
    {Loss::Entries::some, Loss::Data::any, "of what is unsynced anything"},
    {Loss::Entries::some, Loss::Data::any, "of what is unsynced anything"},
};

std::uint64_t inode_of(const fs::path& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

std::string text_of(const Disk::Tree& tree, const std::string& path) {
  const auto found = tree.find(path);
  return found == tree.end() || !found->second ? "" : *found->second;
}

// The step of the checkpoint that `latest` names; -1 where there is none.
int step_of_latest(const Disk::Tree& tree) {
  const std::string name = text_of(tree, "run/checkpoints/latest");
  return name.starts_with("step-") ? std::stoi(name.substr(5)) : -1;
}

struct Cut {
  Disk::Tree tree;
  int promised = -1;
  bool over = false;  // the program had ended
  std::string text;
};

struct Story {
  std::vector<Cut> cuts;                                  // different from each other
  std::map<std::string, std::set<std::string>> versions;  // of whole_files
  Disk::Tree end;
  int records = 0;
};

Story story_of(const Subject& subject, bool with_syncs) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "out");
  const FaultyRun run = run_recorded(subject, folder / "record", with_syncs, folder / "out");
  INFO(run.err);
  REQUIRE(run.code == 0);
  Disk disk(inode_of(folder / "out"));
  Story story;
  const std::vector<Recorded> records = read_record(folder / "record");
  std::set<std::string> known;
  for (std::size_t i = 0; i <= records.size(); ++i) {
    if (i > 0) disk.apply(records[i - 1]);
    const Disk::Tree now = disk.now();
    for (const char* name : whole_files)
      if (const std::string text = text_of(now, std::string("run/") + name); !text.empty())
        story.versions[name].insert(text);
    for (std::size_t v = 0; v < std::size(losses); ++v) {
      Cut cut{disk.after_cut(losses[v], static_cast<unsigned>(i * std::size(losses) + v)), step_of_latest(now),
              i == records.size(),
              "after " + std::to_string(i) + " of " + std::to_string(records.size()) + " operations, " + losses[v].text};
      std::string key = std::to_string(cut.promised) + (cut.over ? "!" : "");
      for (const auto& [path, data] : cut.tree)
        key += path + "\n" + (data ? std::to_string(std::hash<std::string>()(*data)) : "/") + "\n";
      if (known.insert(key).second) story.cuts.push_back(std::move(cut));
    }
  }
  story.end = disk.now();
  story.records = static_cast<int>(records.size());
  return story;
}

int resumed_step(const std::string& err) {
  const std::string words = "resuming after step ";
  const std::size_t at = err.find(words);
  return at == err.npos ? -1 : std::stoi(err.substr(at + words.size()));
}

// What is wrong with a cut; empty where nothing is.
std::string broken_promise(const Subject& subject, const Story& story, const Cut& cut) {
  for (const char* name : whole_files) {
    const std::string path = std::string("run/") + name, text = text_of(cut.tree, path);
    if (cut.tree.contains(path) && !story.versions.at(name).contains(text)) return path + " is damaged";
    if (cut.over && text != text_of(story.end, path)) return path + " is not the last one, though the program had ended";
  }
  const TemporaryFolder out;
  write_tree(cut.tree, out);
  const bool begun = fs::exists(out / "run/config.json");
  const Subject rest = begun ? Subject{subject.name, {"--resume", "{out}/run"}} : subject;
  const FaultyRun run = run_faulty(rest, no_fault, out);
  if (run.code != 0) return "exit code " + std::to_string(run.code) + ": " + run.err;
  if (const int step = resumed_step(run.err); step < cut.promised)
    return "resumed after step " + std::to_string(step) + ", though " + std::to_string(cut.promised) + " was promised";
  for (const char* name : {"last.safetensors", "best.safetensors"})
    if (bytes_of_file(out / "run" / name) != text_of(story.end, std::string("run/") + name))
      return std::string(name) + " is another one than the undisturbed run's";
  for (const auto& entry : fs::recursive_directory_iterator(out.path()))
    if (entry.path().filename().string().starts_with(".tessera-tmp-")) return "left " + entry.path().string();
  return "";
}

struct Count {
  int tried = 0;
  std::vector<std::string> broken;
};

Count replay(const Subject& subject, const Story& story, std::size_t count) {
  Count result;
  std::mutex mutex;
  std::vector<std::function<void()>> jobs;
  if (try_all()) count = story.cuts.size();
  for (std::size_t i = 0; i < count; ++i)  // the last one among them
    jobs.emplace_back([&, &cut = story.cuts[i * (story.cuts.size() - 1) / (count - 1)]] {
      const std::string problem = broken_promise(subject, story, cut);
      const std::lock_guard lock(mutex);
      ++result.tried;
      if (!problem.empty()) result.broken.push_back(subject.name + " " + cut.text + ": " + problem);
    });
  in_parallel(jobs);
  return result;
}

}  // namespace

TEST_CASE("a power cut at any moment of a run: what was promised is there, and the run goes on to the same bits",
          "[power]") {
  const TemporaryFolder folder;
  make_inputs(folder);
  for (const Subject& subject : subjects(folder)) {
    if (!subject.result.starts_with("run/")) continue;
    const Story story = story_of(subject, true);
    const Count count = replay(subject, story, 90);
    WARN(subject.name << ": " << story.records << " operations, " << story.cuts.size() << " different folders after a cut, "
                      << count.tried << " tried");
    for (const std::string& broken : count.broken) FAIL_CHECK(broken);
  }
}

TEST_CASE("the same replay of a program that syncs nothing finds promises broken", "[power]") {
  const TemporaryFolder folder;
  make_inputs(folder);
  const Subject training = subjects(folder)[0];
  const Count count = replay(training, story_of(training, false), 30);
  CHECK(count.broken.size() > 5);
}
