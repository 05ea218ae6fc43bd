#include "engine/parallel/launch.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "engine/core/error.h"

namespace tessera {
namespace {

struct Known {
  Launcher launcher;
  const char *name, *rank, *size, *also;
};

constexpr Known launchers[] = {
    {Launcher::open_mpi, "mpirun of Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {Launcher::mpich, "mpirun of MPICH", "PMI_RANK", "PMI_SIZE", "PMI_RANK"},
    {Launcher::slurm, "srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
    {Launcher::torchrun, "torchrun", "RANK", "WORLD_SIZE", "MASTER_ADDR"},
};

int number(const Known& known, const char* name, const char* text, int least) {
  int value = 0;
  const std::string_view all = text;
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (error != std::errc() || end != all.data() + all.size() || value < least)
    throw UsageError(std::string(name) + " is " + printable(all) + ", which no " + known.name +
                     " writes; unset it, or start the ranks with a launcher");
  return value;
}

}  // namespace

const char* name_of(Launcher launcher) {
  for (const Known& known : launchers)
    if (known.launcher == launcher) return known.name;
  return "no launcher";
}

Launch launch_of(const std::function<const char*(const char*)>& environment) {
  Launch single;
  for (const Known& known : launchers) {
    const char *rank = environment(known.rank), *size = environment(known.size);
    if (!rank || !size || !environment(known.also)) continue;
    const Launch launch{known.launcher, number(known, known.rank, rank, 0), number(known, known.size, size, 1)};
    if (launch.rank >= launch.size)
      throw UsageError(std::string(known.rank) + " is " + rank + " of " + known.size + " " + size +
                       ": ranks are counted from 0; unset both, or start the ranks with a launcher");
    if (launch.size > 1) return launch;
    if (single.launcher == Launcher::none) single = launch;
  }
  return single;
}

Launch launch_of_environment() {
  return launch_of([](const char* name) { return std::getenv(name); });
}

}  // namespace tessera
