// What ranks do with each other, told apart from what carries their words: sums in order, launchers, seats.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>

#include "engine/core/error.h"
#include "engine/core/threads.h"
#include "engine/parallel/launch.h"
#include "engine/parallel/ordered_sum.h"
#include "engine/parallel/watch.h"
#include "engine/run/ranks.h"
#include "kernels/cpu_instruction_set.h"
#include "kernels/errors.h"
#include "tests/catch.h"
#include "tests/parallel/threads.h"

using namespace tessera;
using namespace tessera::test;
using Catch::Contains;

namespace {

// Numbers of very different sizes: another order of adding gives other bits.
std::vector<float> values_of(int rank, int round, std::size_t count) {
  std::mt19937 random(static_cast<std::uint32_t>(100 * round + rank));
  std::vector<float> values(count);
  for (float& value : values)
    value = std::ldexp(static_cast<float>(random()) / 4e9f - 0.5f, static_cast<int>(random() % 40) - 20);
  return values;
}

bool counts_in(int rank, int round) { return (rank + 2 * round) % 5 != 3; }

}  // namespace

TEST_CASE("an ordered sum has the bits of one process that adds one after another") {
  for (const int ranks : {1, 2, 3, 7})
    for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{4099}}) {
      INFO(ranks << " ranks, " << count << " values");
      constexpr int rounds = 3;
      std::vector<float> expected(count);
      bool begun = false;
      for (int round = 0; round < rounds; ++round)
        for (int rank = 0; rank < ranks; ++rank) {
          if (!counts_in(rank, round)) continue;
          const std::vector<float> values = values_of(rank, round, count);
          for (std::size_t i = 0; i < count; ++i) expected[i] = begun ? expected[i] + values[i] : values[i];
          begun = true;
        }
      std::vector<std::vector<float>> got(static_cast<std::size_t>(ranks));
      Threads threads(ranks);
      threads.run([&](Communicator& communicator) {
        OrderedSum sum(communicator, count);
        std::vector<float>& own = got[static_cast<std::size_t>(communicator.rank())];
        for (int again = 0; again < 2; ++again) {  // a sum is over when it is finished
          for (int round = 0; round < rounds; ++round) {
            std::vector<bool> counts;
            for (int rank = 0; rank < ranks; ++rank) counts.push_back(counts_in(rank, round));
            own = values_of(communicator.rank(), round, count);
            sum.add(own, counts);
          }
          sum.finish(own);
        }
      });
      for (const std::vector<float>& own : got) CHECK(own == expected);
    }
}

TEST_CASE("an ordered sum sends as little as any all-reduce: each rank twice the share that is not its own") {
  for (const int ranks : {2, 3, 8}) {
    constexpr std::size_t count = 24 * 100;
    Threads threads(ranks);
    threads.run([&](Communicator& communicator) {
      OrderedSum sum(communicator, count);
      std::vector<float> values(count, 1.0f);
      sum.add(values, std::vector<bool>(static_cast<std::size_t>(ranks), true));
      sum.finish(values);
      RANK_CHECK(values == std::vector<float>(count, static_cast<float>(ranks)));
    });
    CHECK(threads.bytes_sent() == 2 * static_cast<std::size_t>(ranks - 1) * count * sizeof(float));
  }
}

TEST_CASE("texts, values and yes or no of all ranks") {
  Threads threads(3);
  threads.run([](Communicator& ranks) {
    const int own = ranks.rank();
    RANK_CHECK(
        (all_gather(ranks, std::string(static_cast<std::size_t>(own), 'x')) == std::vector<std::string>{"", "x", "xx"}));
    RANK_CHECK((all_gather(ranks, 1.5 * own) == std::vector<double>{0, 1.5, 3}));
    std::string text = own == 0 ? "rank 0's" : "a longer text of another's";
    broadcast(ranks, text);
    RANK_CHECK(text == "rank 0's");
    RANK_CHECK(any(ranks, own == 2));
    RANK_CHECK(!any(ranks, false));
    std::optional<Checkpoint> checkpoint;
    if (own == 0) checkpoint = Checkpoint{.step = 7, .config = "{}", .files = {{"a", Bytes(3, std::byte{5})}, {"b", {}}}};
    broadcast(ranks, checkpoint);
    RANK_CHECK(checkpoint);
    RANK_CHECK(checkpoint->step == 7);
    RANK_CHECK((checkpoint->files == std::map<std::string, Bytes>{{"a", Bytes(3, std::byte{5})}, {"b", {}}}));
  });
}

TEST_CASE("launchers are known by their variables") {
  const auto launch = [](const std::map<std::string, std::string>& variables) {
    return launch_of([&](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
  };
  CHECK(launch({}).size == 1);
  CHECK(launch({{"RANK", "3"}, {"WORLD_SIZE", "4"}}).launcher == Launcher::none);  // words that others use too
  CHECK(launch({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).size == 1);         // a batch script's own process
  struct Case {
    Launcher launcher;
    std::map<std::string, std::string> variables;
  };
  for (const auto& [launcher, variables] :
       {Case{Launcher::open_mpi, {{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}}},
        Case{Launcher::mpich, {{"PMI_RANK", "2"}, {"PMI_SIZE", "4"}}},
        Case{Launcher::slurm, {{"SLURM_PROCID", "2"}, {"SLURM_STEP_NUM_TASKS", "4"}}},
        Case{Launcher::torchrun, {{"RANK", "2"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "h"}}}}) {
    CHECK(launch(variables).launcher == launcher);
    CHECK(launch(variables).rank == 2);
    CHECK(launch(variables).size == 4);
  }
  // torchrun within one task of srun; and a single process is its launcher's, whatever comes after.
  const Launch within = launch(
      {{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"RANK", "3"}, {"WORLD_SIZE", "4"}, {"MASTER_ADDR", "h"}});
  CHECK(within.launcher == Launcher::torchrun);
  CHECK(within.rank == 3);
  CHECK(launch({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}).launcher == Launcher::slurm);
  CHECK_THROWS_WITH(launch({{"PMI_RANK", "4"}, {"PMI_SIZE", "4"}}), Contains("counted from 0"));
  CHECK_THROWS_WITH(launch({{"PMI_RANK", "one"}, {"PMI_SIZE", "4"}}), Contains("PMI_RANK is"));
}

TEST_CASE("ranks of a host share its processors; each has a GPU of its own, or none") {
  Threads threads(16);
  const int usable = usable_threads().threads;
  threads.run([&](Communicator& ranks) {
    const Seat seat = take_seat(ranks);
    RANK_CHECK(seat.threads == std::max(1, usable / 16) || seat.threads == 0);  // 0: by OMP_NUM_THREADS
    RANK_CHECK(seat.gpu_index == ranks.rank() && seat.gpu_ranks == 16);
  });
  CHECK(gpu_of({.host = "h", .gpu_index = 1, .gpu_ranks = 2}, 2) == "cuda:1");
  CHECK_THROWS_WITH(gpu_of({.host = "h", .gpu_index = 0, .gpu_ranks = 3}, 1), Contains("3 ranks on h and 1 GPU"));
  CHECK_THROWS_AS(gpu_of({.host = "h", .gpu_index = 0, .gpu_ranks = 3}, 2), kernels::DeviceError);
  RunConfig config;
  config.device = "cuda:1";
  CHECK_THROWS_AS(seated(config, {.host = "h", .gpu_index = 0, .gpu_ranks = 2}), kernels::DeviceError);
  CHECK(seated(config, {.host = "h"}).device == "cuda:1");
  config = {};
  CHECK(seated(config, {.host = "h", .threads = 3}).threads == 3);
  config.threads = 2;
  CHECK(seated(config, {.host = "h", .threads = 3}).threads == 2);
}

TEST_CASE(
    "ranks that compute with other instruction sets are refused, and those that only name the same one otherwise are not") {
  using kernels::InstructionSet;
  const auto compared = [](InstructionSet of_rank_0, InstructionSet of_rank_1) {
    Threads threads(2);
    threads.run([&](Communicator& ranks) {
      const InstructionSet set = ranks.rank() == 0 ? of_rank_0 : of_rank_1;
      require_alike(ranks, {}, *Device::open({.device = "cpu", .options = {.threads = 1, .instruction_set = set}}));
    });
  };
  const InstructionSet best = kernels::cpu_instruction_set(InstructionSet::best);
  CHECK_NOTHROW(compared(best, best));
  if (best == InstructionSet::baseline) return;  // this processor has one
  CHECK_THROWS_AS(compared(best, InstructionSet::baseline), kernels::DeviceError);
  CHECK_THROWS_WITH(compared(InstructionSet::baseline, best),
                    Contains("rank 1 on " + host_name() + " computes with cpu " + std::string(name_of(best))));
  if (!std::getenv("TESSERA_ISA")) CHECK_NOTHROW(compared(InstructionSet::best, best));
}

TEST_CASE("rank 0 takes as long as it needs to save, though the others are done") {
  // In a process of its own, which a wrong verdict would end.
  constexpr int right = 7;
  const pid_t child = ::fork();
  if (child == 0) {
    Threads threads(2);
    threads.run([](Communicator& ranks) {
      Watch watch(ranks, {}, {.beat = 0.05, .silence = 0.4});
      if (ranks.rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1200));
      RANK_CHECK(watch.finish(143) == 143);
    });
    ::_exit(right);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == right);
}

TEST_CASE("ranks that see other images are refused, by the one that differs") {
  Threads threads(3);
  CHECK_THROWS_WITH(threads.run([](Communicator& ranks) {
    require_same_images(ranks, "training", "same");
    require_same_images(ranks, "test", ranks.rank() == 2 ? "other" : "same");
  }),
                    Contains("test images of rank 2"));
}
