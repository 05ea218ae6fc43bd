#include "apps/ranks.h"

#include <CLI/CLI.hpp>

#include "apps/program.h"
#include "engine/core/error.h"
#include "engine/parallel/mpi_communicator.h"
#include "engine/parallel/watch.h"

namespace tessera {

void add_rank_options(CLI::App& app, RankOptions& options) {
  app.add_flag("--log-all", options.log_all, "Under mpirun: notes and warnings of all ranks, not of rank 0 alone");
}

int run_as_rank(const RankOptions& options, const std::function<int(const Ranks&)>& body) {
  const Launch launch = launch_of_environment();
  if (launch.size == 1) {
    Alone alone;
    return body({alone, {}});
  }
  if (launch.launcher == Launcher::torchrun)
    throw UsageError("torchrun started " + std::to_string(launch.size) +
                     " ranks, which only NCCL could connect, and this build has none: use mpirun or srun");
  Mpi mpi(launch);
  MpiCommunicator ranks(mpi);
  Speaker speaker;
  if (ranks.rank() > 0) speaker = {.name = "[rank " + std::to_string(ranks.rank()) + "] ", .silent = !options.log_all};
  int code = 0;
  {
    Watch watch(ranks, mpi.end_all());
    try {
      code = body({ranks, speaker});
    } catch (...) {
      std::string text;
      code = explain_exception([&](const char* said) { text = said; });
      watch.fail(code, text);
    }
    code = watch.finish(code);
  }
  mpi.finish();
  return code;
}

}  // namespace tessera
