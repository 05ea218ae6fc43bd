// Resumable checkpoints of one run folder.
//
//   RUN/.lock                            held (flock) while the run is open, so that two processes never share a folder
//   RUN/checkpoints/step-000000123/      one checkpoint: the caller's files, and
//       manifest.json                    format version, step, configuration, size and SHA-256 of each file
//       manifest.sha256                  of the manifest, as sha256sum writes it
//   RUN/checkpoints/latest               the name of the newest one, for people and scripts
//
// Writing: a folder .tessera-tmp-STEP-PID beside the others is filled, each file and then the folder synced, renamed to its
// final name, and the parent synced; then `latest` is replaced the same way, and only then are old ones removed. A crash or
// a full disk at any moment leaves every earlier checkpoint as it was. Reading: the newest checkpoint whose manifest
// verifies completely; each newer one that does not gives a note. Every failure is a WeightsError.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/files/io.h"

namespace tessera {

struct Checkpoint {
  std::int64_t step = 0;
  std::string config;                  // a JSON object
  std::map<std::string, Bytes> files;  // by plain file name
};

class CheckpointStore {
 public:
  // Makes the folder where missing, locks it and removes what crashes of ours left behind. `keep` >= 2 newest are kept.
  explicit CheckpointStore(const std::filesystem::path& run_folder, int keep = 2, const SystemCalls& calls = system_calls);

  void write(const Checkpoint& checkpoint);

  // The newest whole checkpoint; none where there is none at all. Where there are some but none is whole: an error.
  // One line for each damaged one is added to `notes`: what is wrong, and which one is used instead.
  std::optional<Checkpoint> load_newest(std::vector<std::string>& notes);

  std::vector<std::int64_t> steps() const;  // of all checkpoints there, ascending; not verified
  // The run folder that was locked, even if it is moved and another takes its name: for all that a run writes.
  const std::filesystem::path& run_folder() const { return opened_->path(); }

 private:
  std::filesystem::path folder_of(std::int64_t step) const;
  void prune();

  std::optional<OpenFolder> opened_;
  std::filesystem::path checkpoints_;
  int keep_;
  const SystemCalls* calls_;
  std::optional<File> lock_;
  std::set<std::int64_t> damaged_;  // seen by load_newest: not counted among those kept
};

// Reads and verifies one checkpoint folder.
Checkpoint read_checkpoint(const std::filesystem::path& folder, const SystemCalls& calls = system_calls);

}  // namespace tessera
