#include "engine/files/checkpoint.h"

#include <optional>

#include "engine/files/sha256.h"
#include "tests/catch.h"
#include "tests/files/checkpoint_support.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("a checkpoint comes back as it was written, and the newest is taken", "[checkpoint]") {
  const TemporaryFolder folder;
  const fs::path run = folder / "runs/lenet";
  std::vector<std::string> notes;
  {
    CheckpointStore store(run);
    CHECK_FALSE(store.load_newest(notes).has_value());
    for (const std::int64_t step : {1, 20, 300}) store.write(checkpoint_of(step));
    CHECK(store.steps() == std::vector<std::int64_t>{20, 300});  // two are kept
    CHECK(get(run / "checkpoints/latest") == "step-000000300\n");
  }
  CheckpointStore store(run, 3);
  const std::optional<Checkpoint> newest = store.load_newest(notes);
  REQUIRE(newest.has_value());
  CHECK(same(*newest, checkpoint_of(300)));
  CHECK(notes.empty());
  store.write(checkpoint_of(4000));
  CHECK(store.steps() == std::vector<std::int64_t>{20, 300, 4000});
  CHECK_FALSE(has_temporaries(run));
}

TEST_CASE("sha256sum -c understands the manifest's digest", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointStore(folder.path()).write(checkpoint_of(7));
  const fs::path at = folder / "checkpoints/step-000000007";
  CHECK(get(at / "manifest.sha256") == sha256_hex(bytes_of(get(at / "manifest.json"))) + "  manifest.json\n");
  CHECK(get(at / "manifest.json").find("\"lr\": 0.1") != std::string::npos);
}

TEST_CASE("saving the same step again keeps or replaces it", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointStore store(folder.path());
  store.write(checkpoint_of(5));
  const auto written = fs::last_write_time(folder / "checkpoints/step-000000005/manifest.json");
  store.write(checkpoint_of(5));  // nothing to do
  CHECK(fs::last_write_time(folder / "checkpoints/step-000000005/manifest.json") == written);

  Checkpoint other = checkpoint_of(5);
  other.files["extra.bin"] = to_bytes("more");
  store.write(other);
  CHECK(same(read_checkpoint(folder / "checkpoints/step-000000005"), other));

  put(folder / "checkpoints/step-000000005/extra.bin", "rust");  // damaged: written again although the manifest is equal
  store.write(other);
  CHECK(same(read_checkpoint(folder / "checkpoints/step-000000005"), other));
  CHECK_FALSE(has_temporaries(folder.path()));
}

TEST_CASE("a second process is refused", "[checkpoint][lock]") {
  const TemporaryFolder folder;
  const CheckpointStore store(folder.path());
  // flock locks belong to the open file, so a second open in this process is refused like one in another.
  const std::string error = error_of<WeightsError>([&] { CheckpointStore second(folder.path()); });
  CHECK(error == folder.path().string() +
                     ": another process is working in this run folder; wait for it, or choose another folder with --out");
  int refused = 0;
  for (int i = 0; i < 20; ++i)
    refused += in_child([&] { CheckpointStore second(folder.path()); }) == static_cast<int>(ExitCode::weights);
  CHECK(refused == 20);
}

TEST_CASE("a lock ends with its process", "[checkpoint][lock]") {
  const TemporaryFolder folder;
  CHECK(in_child([&] { CheckpointStore(folder.path()).write(checkpoint_of(1)); }) == 0);
  const CheckpointStore store(folder.path());
  CHECK(store.steps() == std::vector<std::int64_t>{1});
}

TEST_CASE("what a crash left behind is removed at the start, and nothing else", "[checkpoint]") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "checkpoints/.tmp-12-999/deep");
  put(folder / "checkpoints/.tmp-12-999/state.json", "{");
  put(folder / "checkpoints/.tmp-latest-999", "x");
  put(folder / ".tmp-history.csv-999", "x");
  fs::create_directories(folder / "checkpoints/copied-by-hand");
  put(folder / "notes.txt", "mine");
  const CheckpointStore store(folder.path());
  CHECK_FALSE(has_temporaries(folder.path()));
  CHECK(fs::exists(folder / "checkpoints/copied-by-hand"));
  CHECK(fs::exists(folder / "notes.txt"));
  CHECK(store.steps().empty());
}

TEST_CASE("damaged checkpoints are named and passed over", "[checkpoint][hostile]") {
  const std::string older = "step-000000001", newer = "step-000000002";
  struct Case {
    const char* what;
    void (*damage)(const fs::path&);
    const char* reason;
  };
  const Case cases[] = {
      {"no manifest", [](const fs::path& p) { fs::remove(p / "manifest.json"); }, "manifest.json: open failed"},
      {"no digest", [](const fs::path& p) { fs::remove(p / "manifest.sha256"); }, "manifest.sha256: open failed"},
      {"empty manifest", [](const fs::path& p) { put(p / "manifest.json", ""); }, "changed since it was written"},
      {"edited manifest", [](const fs::path& p) { put(p / "manifest.json", get(p / "manifest.json") + " "); },
       "manifest.json: changed since"},
      {"manifest a folder",
       [](const fs::path& p) { fs::remove(p / "manifest.json"), fs::create_directory(p / "manifest.json"); }, "is a folder"},
      {"huge manifest", [](const fs::path& p) { fs::resize_file(p / "manifest.json", 1 << 21); }, "more than the 1048576"},
      {"file missing", [](const fs::path& p) { fs::remove(p / "state.json"); }, "missing 'state.json'"},
      {"file extra", [](const fs::path& p) { put(p / "other.bin", "x"); }, "extra 'other.bin'"},
      {"file renamed", [](const fs::path& p) { fs::rename(p / "state.json", p / "b.json"); },
       "missing 'state.json' extra 'b.json'"},
      {"file a folder", [](const fs::path& p) { fs::remove(p / "state.json"), fs::create_directory(p / "state.json"); },
       "state.json: is a folder"},
      {"file cut", [](const fs::path& p) { fs::resize_file(p / "state.json", 1); }, "has 1 bytes, its manifest says"},
      {"file longer", [](const fs::path& p) { put(p / "state.json", get(p / "state.json") + "x"); }, "its manifest says"},
      {"file huge", [](const fs::path& p) { fs::resize_file(p / "state.json", (std::uintmax_t{8} << 30) + 1); },
       "more than the 8589934592"},
      {"file of another step",
       [](const fs::path& p) { put(p / "state.json", get(p.parent_path() / "step-000000001/state.json")); },
       "state.json: changed since it was written: SHA-256"},
      {"folder of another step",
       [](const fs::path& p) {
         fs::remove_all(p);
         fs::copy(p.parent_path() / "step-000000001", p, fs::copy_options::recursive);
       },
       "holds step 1, not the one"},
      {"a file instead of a folder", [](const fs::path& p) { fs::remove_all(p), put(p, "x"); }, "Not a directory"},
      {"newer format",
       [](const fs::path& p) {
         std::string text = get(p / "manifest.json");
         text.replace(text.find("\"version\": 1"), 12, "\"version\": 2");
         sign(p, text);
       },
       "has format version 2; this program reads version 1"},
      {"signed: no JSON", [](const fs::path& p) { sign(p, "<html>"); }, "not a manifest this program understands"},
      {"signed: a step beyond all whole numbers",
       [](const fs::path& p) {
         sign(p, R"({"format":"tessera-checkpoint","version":1,"step":1e300,"config":{},"files":{}})");
       },
       "step is 1e+300, no whole number"},
      {"signed: another format", [](const fs::path& p) { sign(p, "{\"format\":\"x\"}"); }, "is not a checkpoint's manifest"},
      {"signed: fields missing", [](const fs::path& p) { sign(p, "{\"format\":\"tessera-checkpoint\",\"version\":1}"); },
       "not a manifest this program understands"},
      {"signed: array", [](const fs::path& p) { sign(p, "[1]"); }, "not a manifest this program understands"},
      {"signed: nested", [](const fs::path& p) { sign(p, std::string(100'000, '[')); }, "nested too deeply"},
      {"signed: step a string", [](const fs::path& p) { sign(p, manifest_with("\"x\"", "{}")); }, "not a manifest"},
      {"signed: files an array", [](const fs::path& p) { sign(p, manifest_with("2", "[1]")); }, "not a manifest"},
      {"signed: path out of the folder",
       [](const fs::path& p) { sign(p, manifest_with("2", "{\"../../secret\":{\"size\":1,\"sha256\":\"\"}}")); },
       "lists '../../secret', which is no plain file name"},
      {"signed: absolute path",
       [](const fs::path& p) { sign(p, manifest_with("2", "{\"/etc/passwd\":{\"size\":1,\"sha256\":\"\"}}")); },
       "no plain file name"},
      {"signed: name with a zero byte",
       [](const fs::path& p) { sign(p, manifest_with("2", "{\"a\\u0000b\":{\"size\":1,\"sha256\":\"\"}}")); },
       "no plain file name"},
      {"signed: lists itself",
       [](const fs::path& p) { sign(p, manifest_with("2", "{\"manifest.json\":{\"size\":1,\"sha256\":\"\"}}")); },
       "no plain file name"},
      {"signed: negative size",
       [](const fs::path& p) { sign(p, manifest_with("2", "{\"state.json\":{\"size\":-1,\"sha256\":\"\"}}")); },
       "size is -1"},
  };
  const UnsyncedCalls unsynced;
  for (const Case& c : cases) {
    const TemporaryFolder folder;
    CheckpointStore store(folder.path(), 2, unsynced);
    store.write(checkpoint_of(1));
    store.write(checkpoint_of(2));
    c.damage(folder / ("checkpoints/" + newer));
    std::vector<std::string> notes;
    const std::optional<Checkpoint> loaded = store.load_newest(notes);
    INFO(c.what << ": " << (notes.empty() ? "no note" : notes[0]));
    REQUIRE(loaded.has_value());
    CHECK(same(*loaded, checkpoint_of(1)));
    REQUIRE(notes.size() == 1);
    CHECK(notes[0].find(c.reason) != std::string::npos);
    CHECK(notes[0].find(newer) != std::string::npos);

    // Going on from the older one: the damaged one is replaced or pruned, never counted as one of those to keep.
    store.write(checkpoint_of(2));
    store.write(checkpoint_of(3));
    CHECK(same(read_checkpoint(folder / ("checkpoints/" + newer)), checkpoint_of(2)));
    CHECK(store.steps() == std::vector<std::int64_t>{2, 3});
    CHECK_FALSE(has_temporaries(folder.path()));
  }
  CHECK(std::size(cases) >= 25);
}

TEST_CASE("a damaged newer checkpoint does not push out the good one", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointStore store(folder.path());
  store.write(checkpoint_of(10));
  store.write(checkpoint_of(20));
  fs::remove(folder / "checkpoints/step-000000020/state.json");
  std::vector<std::string> notes;
  REQUIRE(store.load_newest(notes)->step == 10);
  store.write(checkpoint_of(15));
  CHECK(store.steps() == std::vector<std::int64_t>{10, 15, 20});
  CHECK(store.load_newest(notes)->step == 15);
}

TEST_CASE("where no checkpoint is whole, that is an error and not a fresh start", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointStore store(folder.path());
  store.write(checkpoint_of(1));
  store.write(checkpoint_of(2));
  for (const char* step : {"step-000000001", "step-000000002"})
    fs::resize_file(folder / ("checkpoints/" + std::string(step)) / "weights.safetensors", 3);
  std::vector<std::string> notes;
  const std::string error = error_of<WeightsError>([&] { store.load_newest(notes); });
  CHECK(error.find("step-000000002") != std::string::npos);
  CHECK(error.find("none of the 2 checkpoints there is whole") != std::string::npos);
  CHECK(notes.size() == 2);
}

TEST_CASE("what is no checkpoint is refused before anything is written", "[checkpoint]") {
  const TemporaryFolder folder;
  CheckpointStore store(folder.path());
  const auto refusal = [&](std::int64_t step, const std::string& config, const std::string& name) {
    Checkpoint bad{.step = step, .config = config, .files = {}};
    bad.files[name] = to_bytes("x");
    return error_of<WeightsError>([&] { store.write(bad); });
  };
  CHECK(refusal(-1, "{}", "a").find("negative step") != std::string::npos);
  CHECK(refusal(1, "", "a").find("must be a JSON object") != std::string::npos);
  CHECK(refusal(1, "[1]", "a").find("must be a JSON object") != std::string::npos);
  for (const char* name : {"", ".", "..", "a/b", "/a", ".hidden", "manifest.json", "manifest.sha256"})
    CHECK(refusal(1, "{}", name).find("no plain file name") != std::string::npos);
  CHECK(store.steps().empty());
}
