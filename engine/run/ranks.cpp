#include "engine/run/ranks.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "engine/core/threads.h"
#include "engine/files/crc32c.h"
#include "engine/parallel/watch.h"
#include "kernels/cpu_instruction_set.h"
#include "kernels/errors.h"

namespace tessera {
namespace {

std::string text_of_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string own_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::string(reinterpret_cast<const char*>(&set), sizeof set) : "";
}

// Where among the equal ones, and how many of them there are.
std::pair<int, int> among_equals(const std::vector<std::string>& all, int rank) {
  const std::string& own = all[static_cast<std::size_t>(rank)];
  const auto count = [&](auto end) { return static_cast<int>(std::count(all.begin(), end, own)); };
  return {count(all.begin() + rank), count(all.end())};
}

// Of the first rank that has another than rank 0. Empty: there is none.
std::string other_than_rank_0(Communicator& ranks, const std::string& own) {
  const std::vector<std::string> all = all_gather(ranks, own), hosts = all_gather(ranks, host_name());
  for (std::size_t r = 1; r < all.size(); ++r)
    if (all[r] != all[0]) return "rank " + std::to_string(r) + " on " + hosts[r];
  return "";
}

std::string kind_of(Device& device) {
  const std::string backend = device.backend().name;
  if (backend == "cpu") {  // its instruction set decides the bits
    const kernels::InstructionSet used = kernels::cpu_instruction_set(device.options().instruction_set);
    return backend + " " + std::string(kernels::name_of(used));
  }
  if (!device.backend().gpu) return backend;
  const kernels::DeviceInfo info = device.backend().runtime.device_info(device.stream().device);
  return backend + " " + info.name + " " + info.detail;
}

}  // namespace

Seat take_seat(Communicator& ranks) {
  Seat seat{.host = host_name()};
  if (ranks.size() == 1) return seat;
  const std::string machine = seat.host + " " + text_of_file("/proc/sys/kernel/random/boot_id");
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  std::tie(seat.gpu_index, seat.gpu_ranks) =
      among_equals(all_gather(ranks, machine + (visible ? visible : "all")), ranks.rank());
  const int together = among_equals(all_gather(ranks, machine), ranks.rank()).second,
            bound_together = among_equals(all_gather(ranks, machine + own_affinity()), ranks.rank()).second;
  const ThreadCount usable = usable_threads();
  if (usable.decided_by != "OMP_NUM_THREADS")  // that is a rank's already
    seat.threads = std::max(1, usable.threads / (usable.decided_by == "affinity" ? bound_together : together));
  return seat;
}

std::string gpu_of(const Seat& seat, int gpus) {
  if (seat.gpu_ranks > gpus)
    throw kernels::DeviceError(std::to_string(seat.gpu_ranks) + " ranks on " + seat.host + " and " + std::to_string(gpus) +
                               (gpus == 1 ? " GPU" : " GPUs") +
                               ": each rank needs its own; start as many ranks there as it has GPUs, or use --device cpu");
  return "cuda:" + std::to_string(seat.gpu_index);
}

RunConfig seated(RunConfig config, const Seat& seat) {
  if (config.threads == 0) config.threads = seat.threads;
  if (seat.gpu_ranks == 1) return config;
  if (config.device.starts_with("cuda:"))
    throw kernels::DeviceError("--device " + config.device + " is one GPU, and " + seat.host + " has " +
                               std::to_string(seat.gpu_ranks) + " ranks: --device cuda gives each its own");
  const Backend* cuda = kernels::find_backend("cuda");
  if (!cuda || (config.device != "cuda" && config.device != "auto")) return config;
  std::string why;
  const int gpus = cuda->runtime.device_count(&why);
  if (gpus > 0) config.device = gpu_of(seat, gpus);
  return config;
}

void require_alike(Communicator& ranks, const RunConfig& config, Device& device) {
  if (ranks.size() == 1) return;
  const std::string program = std::to_string(crc32c(text_of_file("/proc/self/exe")));
  if (const std::string other = other_than_rank_0(ranks, program); !other.empty())
    throw UsageError(other + " runs another build of this program than rank 0: install the same one on every host");
  RunConfig options = config;
  options.data.clear(), options.weights.clear();  // paths may differ; what is there must not
  const std::vector<std::string> all = all_gather(ranks, to_json(options));
  if (const std::string other = other_than_rank_0(ranks, to_json(options)); !other.empty()) {
    const auto differs = std::find_if(all.begin(), all.end(), [&](const std::string& text) { return text != all[0]; });
    std::string changes;
    for (const std::string& change : differences(parse_run_config(all[0], "rank 0"), parse_run_config(*differs, other)))
      changes += (changes.empty() ? " (rank 0's → its: " : ", ") + change;
    throw UsageError(other + " has other options than rank 0" + (changes.empty() ? "" : changes + ")") +
                     ": give all ranks the same");
  }
  const std::vector<std::string> kinds = all_gather(ranks, kind_of(device));
  if (const std::string other = other_than_rank_0(ranks, kind_of(device)); !other.empty())
    throw kernels::DeviceError(
        other + " computes with " +
        *std::find_if(kinds.begin(), kinds.end(), [&](const std::string& kind) { return kind != kinds[0]; }) +
        ", rank 0 with " + kinds[0] + ": the ranks would not stay alike; give all the same kind of device" +
        " (TESSERA_ISA chooses the instruction set of a CPU)");
}

void require_same_images(Communicator& ranks, const std::string& what, const std::string& digest) {
  if (ranks.size() == 1) return;
  if (const std::string other = other_than_rank_0(ranks, digest); !other.empty())
    throw DataError("the " + what + " images of " + other + " are not those of rank 0: give all ranks the same data");
}

void broadcast_weights(Communicator& ranks, ParameterStore& parameters) {
  if (ranks.size() == 1) return;
  for (const Tensor& flat : {parameters.values(), parameters.buffer_values()}) {
    if (flat.count() == 0) continue;
    std::vector<float> values = flat.to_host<float>();
    ranks.broadcast(std::as_writable_bytes(std::span(values)), 0);
    flat.copy_from(std::span<const float>(values));
  }
  parameters.values_changed();
}

void broadcast(Communicator& ranks, std::optional<Checkpoint>& checkpoint) {
  if (ranks.size() == 1) return;
  bool there = checkpoint.has_value();
  broadcast(ranks, there);
  if (!there) return;
  if (!checkpoint) checkpoint.emplace();
  broadcast(ranks, checkpoint->step);
  broadcast(ranks, checkpoint->config);
  std::vector<std::string> names;
  for (const auto& [name, bytes] : checkpoint->files) names.push_back(name);
  broadcast(ranks, names);
  for (const std::string& name : names) broadcast(ranks, checkpoint->files[name]);
}

void broadcast(Communicator& ranks, std::vector<std::string>& texts) {
  std::uint64_t count = texts.size();
  broadcast(ranks, count);
  texts.resize(count);
  for (std::string& text : texts) broadcast(ranks, text);
}

}  // namespace tessera
