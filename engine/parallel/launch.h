// What started this process: a person, or a launcher that started others like it, as its environment says.
#pragma once

#include <functional>
#include <string>

namespace tessera {

enum class Launcher : std::uint8_t { none, open_mpi, mpich, slurm, torchrun };

struct Launch {
  Launcher launcher = Launcher::none;
  int rank = 0, size = 1;  // of all processes
};

// By OMPI_COMM_WORLD_RANK and _SIZE (mpirun of Open MPI), PMI_RANK and PMI_SIZE (mpirun of MPICH), SLURM_PROCID and
// SLURM_STEP_NUM_TASKS (srun), RANK and WORLD_SIZE with MASTER_ADDR (torchrun), the first that is whole and started
// more than one, else the first that is whole: a batch system may have started one process that is the launcher. UsageError
// where numbers make no sense.
Launch launch_of(const std::function<const char*(const char*)>& environment);
Launch launch_of_environment();

const char* name_of(Launcher launcher);  // "mpirun of Open MPI"

}  // namespace tessera
