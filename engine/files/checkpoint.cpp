#include "engine/files/checkpoint.h"

#include <sys/file.h>

#include <algorithm>
#include <cstdio>
#include <system_error>
#include <utility>

#include "engine/files/manifest.h"
#include "engine/files/remove.h"
#include "engine/files/sha256.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view folder_prefix = "step-";
constexpr std::uint64_t largest_manifest = std::uint64_t{1} << 20;

std::string folder_name(std::int64_t step) {
  char text[32];
  std::snprintf(text, sizeof text, "step-%09lld", static_cast<long long>(step));
  return text;
}

// The step in a folder's name; -1 where it is no checkpoint's.
std::int64_t step_of(const std::string& name) {
  if (!name.starts_with(folder_prefix) || name.size() > folder_prefix.size() + 18) return -1;
  const std::string digits = name.substr(folder_prefix.size());
  if (digits.empty() || digits.find_first_not_of("0123456789") != digits.npos) return -1;
  const std::int64_t step = std::stoll(digits);
  return name == folder_name(step) ? step : -1;
}

std::string digest_line(const std::string& manifest) { return sha256_hex(bytes_of(manifest)) + "  manifest.json\n"; }

std::string manifest_of(const Checkpoint& checkpoint) {
  Manifest manifest{.step = checkpoint.step, .config = checkpoint.config, .files = {}};
  for (const auto& [name, bytes] : checkpoint.files) {
    if (!is_plain_name(name)) throw WeightsError("[checkpoint] " + printable(name) + " is no plain file name");
    if (bytes.size() > largest_file) throw WeightsError("[checkpoint] " + printable(name) + " has more than 8 GiB");
    manifest.files[name] = {bytes.size(), sha256_hex(bytes)};
  }
  return to_json(manifest);
}

// Is this very checkpoint there already, and whole? (A run that saves at a step, and ends at it, saves twice.)
bool holds(const fs::path& folder, const std::string& manifest) {
  try {
    const Bytes there = read_file(folder / "manifest.json", largest_manifest, ExitCode::weights);
    if (text_of(there) != manifest) return false;
    read_checkpoint(folder);
    return true;
  } catch (const WeightsError&) {
    return false;  // a damaged one is replaced
  }
}

void write_one(const fs::path& path, ByteSpan bytes, const SystemCalls& calls) {
  write_new_file(path, std::span(&bytes, 1), ExitCode::weights, calls);
}

void fill(const fs::path& folder, const Checkpoint& checkpoint, const std::string& manifest, const SystemCalls& calls) {
  make_folder(folder, ExitCode::weights, calls);
  const File held(folder, File::Mode::folder, ExitCode::weights);
  ::flock(held.descriptor(), LOCK_EX | LOCK_NB);  // see remove_left_over
  for (const auto& [name, bytes] : checkpoint.files) write_one(folder / name, bytes, calls);
  write_one(folder / "manifest.json", bytes_of(manifest), calls);
  const std::string digest = digest_line(manifest);
  write_one(folder / "manifest.sha256", bytes_of(digest), calls);
  sync_folder(folder, ExitCode::weights, calls);
}

// Puts `from` in the place of `to`, which may exist. rename replaces no folder that has something in it: the two change
// places, or, where the file system cannot do that, the old one is put aside first.
void replace_folder(const fs::path& from, const fs::path& to, const SystemCalls& calls) {
  const fs::path aside = to.parent_path() / temporary_name("old-" + to.filename().string());
  std::error_code ignored;
  const bool exists = fs::exists(to, ignored);
  if (exists && exchange_paths(from, to, ExitCode::weights, calls)) {
    sync_folder(to.parent_path(), ExitCode::weights, calls);
    remove_quietly(from);
    return;
  }
  if (exists) {
    remove_quietly(aside);
    rename_path(to, aside, ExitCode::weights, calls);
  }
  try {
    rename_path(from, to, ExitCode::weights, calls);
  } catch (...) {
    if (exists) fs::rename(aside, to, ignored);
    throw;
  }
  sync_folder(to.parent_path(), ExitCode::weights, calls);
  if (exists) remove_quietly(aside);
}

}  // namespace

Checkpoint read_checkpoint(const fs::path& folder, const SystemCalls& calls) {
  const fs::path manifest_path = folder / "manifest.json", digest_path = folder / "manifest.sha256";
  const Bytes manifest_bytes = read_file(manifest_path, largest_manifest, ExitCode::weights, calls);
  const std::string text(text_of(manifest_bytes));
  if (text_of(read_file(digest_path, 1000, ExitCode::weights, calls)) != digest_line(text))
    throw WeightsError(shown(manifest_path) + ": changed since it was written: SHA-256 differs from manifest.sha256");
  const Manifest manifest = parse_manifest(text, shown(manifest_path));
  if (folder.filename() != folder_name(manifest.step))
    throw WeightsError(shown(folder) + ": holds step " + std::to_string(manifest.step) + ", not the one it is named after");

  std::string missing, extra;
  for (const auto& [name, entry] : manifest.files)
    if (std::error_code ignored; !fs::exists(folder / name, ignored)) missing += " " + printable(name);
  for (const fs::path& file : list_folder(folder, ExitCode::weights)) {
    const std::string name = file.filename().string();
    if (is_plain_name(name) && manifest.files.count(name) == 0) extra += " " + printable(name);
  }
  if (!missing.empty() || !extra.empty())
    throw WeightsError(shown(folder) + ": is not what its manifest lists:" + (missing.empty() ? "" : " missing" + missing) +
                       (extra.empty() ? "" : " extra" + extra));

  Checkpoint checkpoint{.step = manifest.step, .config = manifest.config, .files = {}};
  for (const auto& [name, entry] : manifest.files) {
    const fs::path path = folder / name;
    Bytes bytes = read_file(path, largest_file, ExitCode::weights, calls);
    if (bytes.size() != entry.size)
      throw WeightsError(shown(path) + ": has " + std::to_string(bytes.size()) + " bytes, its manifest says " +
                         std::to_string(entry.size));
    if (sha256_hex(bytes) != entry.sha256)
      throw WeightsError(shown(path) + ": changed since it was written: SHA-256 differs from its manifest's");
    checkpoint.files.emplace(name, std::move(bytes));
  }
  return checkpoint;
}

CheckpointStore::CheckpointStore(const fs::path& run_folder, int keep, const SystemCalls& calls)
    : keep_(std::max(keep, 2)), calls_(&calls) {
  make_folder(run_folder, ExitCode::weights, calls);
  opened_.emplace(run_folder, ExitCode::weights, calls);
  checkpoints_ = opened_->path() / "checkpoints";
  lock_.emplace(opened_->path() / ".lock", File::Mode::lock, ExitCode::weights, calls);
  if (!lock_->try_lock())
    throw WeightsError(run_folder.string() +
                       ": another process is working in this run folder; wait for it, or choose another folder with --out");
  make_folder(checkpoints_, ExitCode::weights, calls);
  remove_left_over(opened_->path());
  remove_left_over(checkpoints_);
}

fs::path CheckpointStore::folder_of(std::int64_t step) const { return checkpoints_ / folder_name(step); }

std::vector<std::int64_t> CheckpointStore::steps() const {
  std::vector<std::int64_t> steps;
  for (const fs::path& entry : list_folder(checkpoints_, ExitCode::weights))
    if (const std::int64_t step = step_of(entry.filename().string()); step >= 0) steps.push_back(step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

void CheckpointStore::write(const Checkpoint& checkpoint) {
  if (checkpoint.step < 0) throw WeightsError("[checkpoint] negative step " + std::to_string(checkpoint.step));
  const std::string manifest = manifest_of(checkpoint);
  const fs::path final_folder = folder_of(checkpoint.step);
  if (!holds(final_folder, manifest)) {
    const fs::path temporary = checkpoints_ / temporary_name(std::to_string(checkpoint.step));
    remove_quietly(temporary);
    try {
      fill(temporary, checkpoint, manifest, *calls_);
      replace_folder(temporary, final_folder, *calls_);
    } catch (...) {
      remove_quietly(temporary);
      throw;
    }
  }
  damaged_.erase(checkpoint.step);
  const std::string latest = final_folder.filename().string() + "\n";
  write_file_atomically(checkpoints_ / "latest", bytes_of(latest), ExitCode::weights, *calls_);
  prune();
}

void CheckpointStore::prune() {
  const std::vector<std::int64_t> all = steps();
  int kept = 0;
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    if (kept < keep_) {
      kept += static_cast<int>(damaged_.count(*step) == 0);
      continue;
    }
    // First out of sight in one step, so that a crash while removing leaves no half checkpoint.
    const fs::path aside = checkpoints_ / temporary_name("old-" + folder_name(*step));
    rename_path(folder_of(*step), aside, ExitCode::weights, *calls_);
    remove_quietly(aside);
    damaged_.erase(*step);
  }
}

std::optional<Checkpoint> CheckpointStore::load_newest(std::vector<std::string>& notes) {
  const std::vector<std::int64_t> all = steps();
  std::string first_reason;
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      return read_checkpoint(folder_of(*step), *calls_);
    } catch (const WeightsError& e) {
      damaged_.insert(*step);
      if (first_reason.empty()) first_reason = e.what();
      notes.push_back(std::string(e.what()) + "; the checkpoint before it is tried");
    }
  }
  if (all.empty()) return std::nullopt;
  throw WeightsError(first_reason + "; none of the " + std::to_string(all.size()) +
                     " checkpoints there is whole, start a new run with --out");
}

}  // namespace tessera
