// Failing system calls, bit rot, and processes killed while writing.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "engine/files/checkpoint.h"
#include "kernels/philox.h"
#include "tests/catch.h"
#include "tests/files/checkpoint_support.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// Kills its own process at the k-th call; a write is half done then.
struct KillingCalls : UnsyncedCalls {
  explicit KillingCalls(int at) : k(at) {}
  void count() const {
    if (seen++ == k) ::kill(::getpid(), SIGKILL);
  }
  int open(const char* path, int flags, unsigned mode) const override {
    return count(), UnsyncedCalls::open(path, flags, mode);
  }
  ssize_t write(int descriptor, const void* from, std::size_t bytes) const override {
    if (seen == k) UnsyncedCalls::write(descriptor, from, bytes / 2);
    return count(), UnsyncedCalls::write(descriptor, from, bytes);
  }
  int fsync(int descriptor) const override { return count(), UnsyncedCalls::fsync(descriptor); }
  int close(int descriptor) const override { return count(), UnsyncedCalls::close(descriptor); }
  int rename(const char* from, const char* to) const override { return count(), UnsyncedCalls::rename(from, to); }
  int exchange(const char* one, const char* other) const override { return count(), UnsyncedCalls::exchange(one, other); }
  int mkdir(const char* path, unsigned mode) const override { return count(), UnsyncedCalls::mkdir(path, mode); }
  int k;
  mutable int seen = 0;
};

// Of the checkpoint that `latest` names; 0: there is none.
std::int64_t newest_step(const fs::path& run_folder) {
  std::string name;
  std::ifstream(run_folder / "checkpoints/latest") >> name;
  return name.empty() ? 0 : std::stoll(name.substr(name.find('-') + 1));
}

std::uint32_t random_word(std::uint64_t index) { return kernels::philox(7, kernels::Purpose::test, 1, index).v[0]; }

}  // namespace

TEST_CASE("whatever call fails, earlier checkpoints stay and the next start finds a whole one", "[checkpoint][faults]") {
  const UnsyncedCalls unsynced;
  int cases = 0;
  // Step 3 is new and prunes step 1; step 2 exists with other contents and is replaced.
  for (const std::int64_t step : {3, 2}) {
    Checkpoint next = checkpoint_of(step);
    next.files["added.bin"] = to_bytes("added");
    for (const char* call : {"open", "read", "write", "fsync", "close", "rename", "mkdir", "flock"}) {
      for (const Fault fault : {Fault::no_space, Fault::input_output, Fault::interrupted, Fault::short_transfer}) {
        const bool transfer = std::string(call) == "write" || std::string(call) == "read";
        if (fault == Fault::short_transfer && !transfer) continue;
        for (int k = 0;; ++k) {
          const TemporaryFolder folder;
          {
            CheckpointStore store(folder.path(), 2, unsynced);
            store.write(checkpoint_of(1));
            store.write(checkpoint_of(2));
          }
          const int descriptors = open_descriptors();
          const FaultyCalls calls(call, k, fault);
          std::string error;
          bool fired = false, there_was_one = false;
          {
            std::optional<CheckpointStore> store;
            error = error_of<WeightsError>([&] {
              store.emplace(folder.path(), 2, calls);
              store->write(next);
            });
            fired = calls.fired();
            there_was_one = calls.seen() > k;  // asked before the lock is closed, where an error could not be reported
          }
          if (!there_was_one) break;
          if (!fired) continue;  // a transfer of one byte cannot be short
          ++cases;
          INFO("step " << step << ", " << call << " " << k << ", fault " << static_cast<int>(fault) << ": " << error);
          CHECK(open_descriptors() == descriptors);
          const bool invisible = fault == Fault::interrupted || fault == Fault::short_transfer;
          if (invisible) {
            CHECK(error.empty());
          } else {
            CHECK(error.find(folder.path().string()) != error.npos);
            CHECK(error.find(std::string(call) + " failed: ") != error.npos);
            CHECK(error.find(fault == Fault::no_space ? "No space left" : "Input/output error") != error.npos);
          }
          CheckpointStore store(folder.path(), 2, unsynced);
          CHECK_FALSE(has_temporaries(folder.path()));
          std::vector<std::string> notes;
          const std::optional<Checkpoint> newest = store.load_newest(notes);
          REQUIRE(newest.has_value());
          CHECK(notes.empty());  // nothing damaged was left in sight
          if (invisible)
            CHECK(same(*newest, next));
          else
            CHECK((same(*newest, next) || same(*newest, checkpoint_of(2))));
          for (const std::int64_t there : store.steps())
            CHECK_NOTHROW(read_checkpoint(folder / ("checkpoints/step-00000000" + std::to_string(there))));
        }
      }
    }
  }
  WARN(cases << " failed calls");
  CHECK(cases > 150);
}

TEST_CASE("a checkpoint is replaced on a file system where names cannot change places, too", "[checkpoint]") {
  struct NoExchange : UnsyncedCalls {
    int exchange(const char*, const char*) const override { return errno = EINVAL, -1; }
  };
  const NoExchange calls;
  const TemporaryFolder folder;
  CheckpointStore store(folder.path(), 2, calls);
  store.write(checkpoint_of(2));
  Checkpoint next = checkpoint_of(2);
  next.files["added.bin"] = to_bytes("added");
  store.write(next);
  std::vector<std::string> notes;
  const std::optional<Checkpoint> loaded = store.load_newest(notes);
  REQUIRE(loaded.has_value());
  CHECK(same(*loaded, next));
  CHECK(notes.empty());
  CHECK_FALSE(has_temporaries(folder.path()));
}

TEST_CASE("everything is synced before it is renamed, and its folder after", "[checkpoint][order]") {
  const TemporaryFolder folder;
  {
    CheckpointStore store(folder.path());
    store.write(checkpoint_of(1));
    store.write(checkpoint_of(2));
  }
  const RecordingCalls calls;
  CheckpointStore(folder.path(), 2, calls).write(checkpoint_of(3));
  const std::string temporary = temporary_name("3"), latest = temporary_name("latest");
  CHECK(calls.log ==
        std::vector<std::string>{"mkdir " + temporary, "fsync checkpoints",  // the new folder
                                 "fsync empty", "write state.json", "fsync state.json", "write weights.safetensors",
                                 "fsync weights.safetensors", "write manifest.json", "fsync manifest.json",
                                 "write manifest.sha256", "fsync manifest.sha256", "fsync " + temporary,  // its contents
                                 "rename " + temporary + " step-000000003", "fsync checkpoints",          // now it is there
                                 "write " + latest, "fsync " + latest, "rename " + latest + " latest", "fsync checkpoints",
                                 "rename step-000000001 " + temporary_name("old-step-000000001")});  // and only now pruned
}

TEST_CASE("every flipped bit is detected", "[checkpoint][bits]") {
  const TemporaryFolder folder;
  CheckpointStore(folder.path()).write(checkpoint_of(42, 3000));
  const fs::path at = folder / "checkpoints/step-000000042";
  REQUIRE_NOTHROW(read_checkpoint(at));
  std::vector<fs::path> files;
  std::uint64_t total = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(at)) {
    files.push_back(entry.path());
    total += entry.file_size();
  }
  std::sort(files.begin(), files.end());

  constexpr int flips = 10'000;
  int detected = 0;
  for (int i = 0; i < flips; ++i) {
    std::uint64_t byte = random_word(static_cast<std::uint64_t>(2 * i)) % total;
    const int bit = static_cast<int>(random_word(static_cast<std::uint64_t>(2 * i + 1)) % 8);
    const fs::path* path = &files[0];
    for (const fs::path& candidate : files) {
      path = &candidate;
      const std::uint64_t size = fs::file_size(candidate);
      if (byte < size) break;
      byte -= size;
    }
    std::fstream file(*path, std::ios::binary | std::ios::in | std::ios::out);
    const auto flip = [&] {
      file.seekg(static_cast<std::streamoff>(byte));
      const int old = file.get();
      file.seekp(static_cast<std::streamoff>(byte));
      file.put(static_cast<char>(old ^ (1 << bit)));
      file.flush();
    };
    flip();
    detected += !error_of<WeightsError>([&] { read_checkpoint(at); }).empty();
    flip();
  }
  CHECK(detected == flips);
  CHECK_NOTHROW(read_checkpoint(at));
}

TEST_CASE("kill -9 at every system call leaves a checkpoint that loads", "[checkpoint][kill]") {
  const UnsyncedCalls unsynced;
  int kills = 0, left_temporaries = 0;
  // Step 3 is new and prunes step 1; step 2 exists with other contents and is replaced.
  for (const std::int64_t step : {3, 2}) {
    Checkpoint next = checkpoint_of(step);
    next.files["added.bin"] = to_bytes("added");
    for (int k = 0;; ++k) {
      const TemporaryFolder folder;
      {
        CheckpointStore store(folder.path(), 2, unsynced);
        store.write(checkpoint_of(1));
        store.write(checkpoint_of(2));
      }
      const KillingCalls calls(k);
      const int code = in_child([&] { CheckpointStore(folder.path(), 2, calls).write(next); });
      if (code == 0) break;
      REQUIRE(code == -1);  // killed, not failed
      ++kills;
      left_temporaries += has_temporaries(folder.path());

      CheckpointStore store(folder.path(), 2, unsynced);
      CHECK_FALSE(has_temporaries(folder.path()));
      std::vector<std::string> notes;
      const std::optional<Checkpoint> newest = store.load_newest(notes);
      INFO("step " << step << ", call " << k);
      REQUIRE(newest.has_value());
      CHECK(notes.empty());
      CHECK((same(*newest, next) || same(*newest, checkpoint_of(2))));  // replaced in one step, too
    }
  }
  WARN(kills << " calls killed, " << left_temporaries << " left temporaries behind");
  CHECK(kills > 50);
  CHECK(left_temporaries > 30);
}

TEST_CASE("kill -9 at any moment leaves a checkpoint that loads", "[checkpoint][kill]") {
  const int kills = std::getenv("TESSERA_FAULTS_ALL") ? 1000 : 100;
  constexpr std::size_t weight_bytes = 200'000;
  const TemporaryFolder folder;
  std::int64_t last = 0;
  int advanced = 0, left_temporaries = 0;
  for (int i = 0; i < kills; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {  // saves for ever
      try {
        const UnsyncedCalls unsynced;  // what a killed process wrote, the system keeps: only a power cut loses it
        CheckpointStore store(folder.path(), 2, unsynced);
        for (std::int64_t step = last + 1;; ++step) store.write(checkpoint_of(step, weight_bytes));
      } catch (...) {
        ::_exit(1);
      }
    }
    // Every other one once it has saved something, which takes its time where the machine is busy.
    for (int tries = 0; i % 2 == 1 && newest_step(folder.path()) <= last && tries < 10'000; ++tries) ::usleep(1000);
    ::usleep(1000 + random_word(100'000 + static_cast<std::uint64_t>(i)) % 40'000);
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    left_temporaries += has_temporaries(folder.path());

    CheckpointStore store(folder.path());
    CHECK_FALSE(has_temporaries(folder.path()));
    std::vector<std::string> notes;
    const std::optional<Checkpoint> newest = store.load_newest(notes);
    CHECK(notes.empty());
    const std::vector<std::int64_t> steps = store.steps();
    if (!newest.has_value()) {
      CHECK(last == 0);
      continue;
    }
    CHECK(newest->step >= last);
    CHECK(newest->step == steps.back());
    CHECK(same(*newest, checkpoint_of(newest->step, weight_bytes)));
    for (const std::int64_t step : steps) {
      char name[40];
      std::snprintf(name, sizeof name, "step-%09lld", static_cast<long long>(step));
      CHECK_NOTHROW(read_checkpoint(folder / ("checkpoints/" + std::string(name))));
    }
    advanced += newest->step > last;
    last = newest->step;
  }
  WARN(kills << " kills: " << last << " checkpoints written, " << left_temporaries << " left temporaries behind");
  CheckpointStore store(folder.path());
  store.write(checkpoint_of(last + 1));  // the first write that is let finish prunes what the killed ones did not
  CHECK(store.steps() == std::vector<std::int64_t>{last, last + 1});
  CHECK(advanced > 5);
}
