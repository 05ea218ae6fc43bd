// Ranks that share the optimiser's memory end with the bits of those that don't, and keep their share of it alone.
#include <cmath>

#include "tests/engine/trainee.h"
#include "tests/parallel/threads.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Trained {
  std::vector<std::vector<float>> weights;  // values and buffers
  std::map<std::string, std::vector<float>> memory;
  std::int64_t remembered = 0;  // elements that this rank keeps, of each kind
  FitState state;
};

Trained trained(const OptimizerOptions& optimizer, Communicator* ranks, bool shard, std::int64_t parts) {
  Trainee t(optimizer, {.dropout = 0.3}, true, open("cpu", 1));
  Plan p = plan(2);
  p.accumulate = parts, p.ema = 0.9, p.limits.ranks = ranks, p.limits.shard_optimizer = shard;
  Trained result;
  result.state = fit(t, p).state;
  result.weights = {t.store.values().to_host<float>(), t.store.buffer_values().to_host<float>()};
  for (const auto& [name, tensor] : t.loop->optimizer().memory()) result.remembered = tensor.count();
  for (const auto& [name, tensor] : t.loop->optimizer_memory()) result.memory[name] = tensor.to_host<float>();
  return result;
}

}  // namespace

TEST_CASE("ranks that share the optimiser's memory end with the bits of one process, and keep their share alone") {
  for (const OptimizerOptions& optimizer : {OptimizerOptions(Sgd::Options{.learning_rate = 0.05, .momentum = 0.9}),
                                            OptimizerOptions(Adam::Options{}), OptimizerOptions(Muon::Options{})})
    for (const auto& how : {std::pair{2, 2}, std::pair{3, 5}, std::pair{11, 11}}) {  // more ranks than parameters
      const int size = how.first, parts = how.second;
      INFO(kind_of(optimizer) << ", " << size << " ranks, " << parts << " parts");
      const Trained alone = trained(optimizer, nullptr, true, parts);
      std::vector<Trained> all(static_cast<std::size_t>(size));
      Threads threads(size);
      threads.run([&](Communicator& ranks) {
        all[static_cast<std::size_t>(ranks.rank())] = trained(optimizer, &ranks, true, parts);
      });
      std::int64_t remembered = 0;
      for (const Trained& rank : all) {
        CHECK(rank.weights == alone.weights);
        check_same(rank.state, alone.state);
        remembered += rank.remembered;
      }
      CHECK(all[0].memory == alone.memory);  // put together
      CHECK(remembered == alone.remembered);
      CHECK(all[0].remembered < alone.remembered);
    }
}

TEST_CASE("shares of the parameters are whole ones side by side, as even as these allow; a NaN in one stops all") {
  Threads threads(3);
  threads.run([](Communicator& ranks) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    OptimizerShares shares(ranks, t.store);
    const std::vector<std::int64_t>& begins = shares.begins();
    RANK_CHECK(begins.size() == 4 && begins.front() == 0 && begins.back() == t.store.values().count());
    RANK_CHECK(shares.own().values().count() ==
               begins[static_cast<std::size_t>(ranks.rank()) + 1] - begins[static_cast<std::size_t>(ranks.rank())]);

    const Tensor guard = Tensor::zeros(t.device, {sizeof(kernels::StepGuard)}, DType::u8);
    const auto checked = [&] {
      shares.check_finite(guard);
      kernels::StepGuard seen;
      t.device->download(&seen, guard.data(), sizeof seen);
      return seen;
    };
    RANK_CHECK(checked().skip == 0);
    const Tensor last = t.store.gradients().slice(t.store.gradients().count() - 64, {1});
    last.copy_from(std::span<const float>(std::vector<float>{std::nanf("")}));  // elsewhere it is not looked at
    if (ranks.rank() != 2) last.zero();
    RANK_CHECK(checked().consecutive == 1);
    RANK_CHECK(checked().consecutive == 2);
    last.zero();
    const kernels::StepGuard over = checked();
    RANK_CHECK(over.skip == 0 && over.consecutive == 0 && over.skipped == 2);
  });
}

TEST_CASE("a gradient's length takes all of it: --clip-norm and shares of the optimiser's memory exclude each other") {
  Threads threads(2);
  threads.run([](Communicator& ranks) {
    Trainee t(Sgd::Options{}, {}, false, open("cpu", 1));
    Plan p = plan(1);
    p.clip_norm = 1, p.limits.ranks = &ranks, p.limits.shard_optimizer = true;
    bool refused = false;
    try {
      (void)t.begin(p, p.limits, {}, false);
    } catch (const UsageError&) {
      refused = true;
    }
    RANK_CHECK(refused);
  });
}
