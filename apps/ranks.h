// A program as one of several ranks, where a launcher (mpirun, srun) has started more than one.
#pragma once

#include <functional>

#include "engine/parallel/communicator.h"
#include "engine/run/console.h"

namespace CLI {
class App;
}

namespace tessera {

struct RankOptions {
  bool log_all = false;
};
void add_rank_options(CLI::App& app, RankOptions& options);  // --log-all

// What a program's body is given: the ranks, itself among them, and how it speaks (Console).
struct Ranks {
  Communicator& communicator;
  Speaker speaker;
  bool first() const { return communicator.rank() == 0; }
};

// Joins the ranks that the launcher has started, or none, and runs `body`, whose result is the exit code; of several, the
// largest, for all. Where one fails all end, with its message and its code. To be called when SignalFlags are there.
int run_as_rank(const RankOptions& options, const std::function<int(const Ranks&)>& body);

}  // namespace tessera
