// What a run does to the folder it was given: nothing to what is somebody else's, and everything to the folder it opened,
// wherever that has been moved.
#include <sys/file.h>

#include "engine/files/checkpoint.h"
#include "tests/catch.h"
#include "tests/files/checkpoint_support.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("only left-over files of our own are removed, and none that is in use", "[checkpoint]") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "checkpoints/.tmp-mine");
  const std::string ours(temporary_prefix);
  for (const std::string& name : {std::string(".tmp-thesis"), std::string(".tmp-"), ours + "dead-1", ours + "alive-2"})
    put(folder / name, "x");
  fs::create_directory(folder / (ours + "folder-3"));
  put(folder / (ours + "folder-3/part"), "x");
  File alive(folder / (ours + "alive-2"), File::Mode::append, ExitCode::weights);  // another process writes behind it
  REQUIRE(alive.try_lock());
  const CheckpointStore store(folder.path());
  CHECK(fs::exists(folder / ".tmp-thesis"));
  CHECK(fs::exists(folder / ".tmp-"));
  CHECK(fs::exists(folder / "checkpoints/.tmp-mine"));
  CHECK(fs::exists(folder / (ours + "alive-2")));
  CHECK_FALSE(fs::exists(folder / (ours + "dead-1")));
  CHECK_FALSE(fs::exists(folder / (ours + "folder-3")));
}

TEST_CASE("a file is locked as long as it is written behind its temporary name", "[io]") {
  struct Sweeping : UnsyncedCalls {  // somebody looks for left-overs at the worst moment
    ssize_t write(int descriptor, const void* from, std::size_t count) const override {
      remove_left_over(folder);
      return SystemCalls::write(descriptor, from, count);
    }
    fs::path folder;
  };
  const TemporaryFolder folder;
  Sweeping calls;
  calls.folder = folder.path();
  write_file_atomically(folder / "weights", bytes_of("text"), ExitCode::weights, calls);
  CHECK(get(folder / "weights") == "text");
  CHECK_FALSE(has_temporaries(folder.path()));
}

TEST_CASE("a run folder that is moved while another takes its name keeps its run", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointStore first(folder / "run");
  first.write(checkpoint_of(1));
  fs::rename(folder / "run", folder / "moved");
  CheckpointStore second(folder / "run");  // another run in the old place: another folder, so another lock
  second.write(checkpoint_of(100));
  first.write(checkpoint_of(2));
  write_file_atomically(first.run_folder() / "last.safetensors", bytes_of("first"), ExitCode::weights);
  CHECK(first.steps() == std::vector<std::int64_t>{1, 2});
  CHECK(second.steps() == std::vector<std::int64_t>{100});
  CHECK(fs::exists(folder / "moved/checkpoints/step-000000002"));
  CHECK(get(folder / "moved/last.safetensors") == "first");
  CHECK_FALSE(fs::exists(folder / "run/last.safetensors"));
  // Messages name the folder as it is called now.
  put(folder / "moved/checkpoints/step-000000002/manifest.json", "{}");
  CHECK_THAT(error_of<WeightsError>([&] { read_checkpoint(first.run_folder() / "checkpoints/step-000000002"); }),
             Catch::StartsWith((folder / "moved/checkpoints").string()));
}

TEST_CASE("names of any length can be written", "[io]") {
  const TemporaryFolder folder;
  const fs::path path = folder / std::string(255, 'n');  // the longest that file systems allow
  write_file_atomically(path, bytes_of("text"), ExitCode::weights);
  CHECK(get(path) == "text");
}
