// Gradients that travel in buckets while backward goes on: when, with which bits, and that nothing hangs.
#include <chrono>
#include <cmath>

#include "engine/ops/loss.h"
#include "engine/parallel/link_speed.h"
#include "tests/engine/trainee.h"
#include "tests/parallel/threads.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// Forward and backward of a few images that depend on the rank.
struct Passes {
  explicit Passes(int rank)
      : device(open("cpu", 1)),
        network(TinyNetwork::Options{}),
        store(network, device, 6),
        images(tiny_images(4, 40 + static_cast<std::uint64_t>(rank))),
        batches(DeviceImages::upload(images, device), Trainee::params(false)) {
    batches.set_order(std::vector<std::int32_t>{0, 1, 2, 3});
  }

  GradientExchange::Ranges run(const OnLeaf& on_leaf) {
    store.clear_gradients();
    StepStateBuffer state(device);
    state.write({});
    batches.prepare(0, 4);
    const Batch batch = batches.draw(4, state.device_pointer());
    const Context context{.training = true, .gradients = true, .state = state.device_pointer()};
    backward(network.loss(context, network.forward(context, batch.x), batch.y), {}, on_leaf);
    return store.ranges_with_gradient();
  }
  std::vector<float> gradients() const { return store.gradients().to_host<float>(); }

  std::shared_ptr<Device> device;
  TinyNetwork network;
  ParameterStore store;
  ImageSet images;
  ImageBatches batches;
};

const std::vector<bool> both{true, true};

}  // namespace

TEST_CASE("backward tells of each leaf when its gradient is whole, the last layer's first") {
  Passes passes(0);
  std::vector<const GradNode*> order;
  std::vector<std::vector<float>> seen;
  passes.run([&](const GradNode& leaf) {
    order.push_back(&leaf);
    if (leaf.filled()) seen.push_back(leaf.grad().to_host<float>());
  });
  // fc.weight has a second user, the penalty in the loss.
  const std::vector<Parameter*> all = passes.store.parameters();
  const auto place = [&](const Parameter& p) {
    return std::find(order.begin(), order.end(), p.node().get()) - order.begin();
  };
  CHECK(order.size() == all.size() - 2);  // `unused` is in no graph
  CHECK(place(passes.network.fc.weight) < place(passes.network.bn.weight));
  CHECK(place(passes.network.bn.bias) < place(passes.network.conv.weight));
  for (std::size_t i = 0; i < order.size(); ++i) CHECK(seen[i] == order[i]->grad().to_host<float>());
}

TEST_CASE("a bucket is exchanged while backward goes on, and not before it is whole") {
  Threads threads(2);
  threads.run([&](Communicator& ranks) {
    Passes passes(ranks.rank());
    GradientExchange exchange(ranks, passes.store, {.bucket_bytes = 4});  // each parameter by itself
    exchange.begin(both, true, nullptr);
    const GradientExchange::Ranges ranges = passes.run([&](const GradNode& leaf) { exchange.on_leaf(leaf); });
    exchange.finish(ranges);
    RANK_CHECK(exchange.early() == 0);  // what the pass would reach was not known
    RANK_CHECK(exchange.buckets() == 6);
    const std::vector<float> behind = passes.gradients();

    bool met = false;
    const std::size_t before = threads.bytes_sent();
    exchange.begin(both, true, &ranges);
    passes.run([&](const GradNode& leaf) {
      exchange.on_leaf(leaf);
      if (&leaf != passes.network.conv.weight.node().get()) return;
      const auto start = std::chrono::steady_clock::now();  // of the others some must come through
      while (threads.bytes_sent() == before && std::chrono::steady_clock::now() - start < std::chrono::seconds(20))
        std::this_thread::yield();
      met = threads.bytes_sent() > before;
    });
    exchange.finish(ranges);
    RANK_CHECK(met);
    RANK_CHECK(exchange.early() == exchange.buckets());
    RANK_CHECK(passes.gradients() == behind);
  });
}

TEST_CASE("any size of bucket gives the same bits, also of parts that ranks take in turns") {
  const OptimizerOptions optimizer = Sgd::Options{.learning_rate = 0.05, .momentum = 0.9};
  const auto trained = [&](Communicator* ranks, std::optional<std::int64_t> bucket) {
    Trainee t(optimizer, {.dropout = 0.3}, true, open("cpu", 1));
    Plan p = plan(1);
    p.accumulate = 3, p.limits.ranks = ranks, p.limits.bucket_bytes = bucket;
    (void)fit(t, p);
    return t.snapshot();
  };
  const auto alone = trained(nullptr, {});
  for (const std::optional<std::int64_t> bucket : {std::optional<std::int64_t>(), {4}, {1000}, {1 << 30}}) {
    Threads threads(2);
    threads.run([&](Communicator& ranks) { RANK_CHECK(trained(&ranks, bucket) == alone); });
  }
}

TEST_CASE("an exchange that is given up in the middle of a pass does not wait for the others") {
  Threads threads(2);
  std::atomic<bool> over{false};
  threads.run([&](Communicator& ranks) {
    if (ranks.rank() == 1) {
      while (!over) std::this_thread::yield();
      return;
    }
    Passes passes(0);
    const GradientExchange::Ranges ranges = passes.run({});
    bool given_up = false;
    try {
      GradientExchange exchange(ranks, passes.store, {.bucket_bytes = 4});
      exchange.begin(both, true, &ranges);
      passes.run([&](const GradNode& leaf) {
        exchange.on_leaf(leaf);
        if (&leaf == passes.network.conv.weight.node().get()) throw std::runtime_error("in the middle");
      });
    } catch (const std::runtime_error&) {
      given_up = true;
    }
    over = true;
    RANK_CHECK(given_up);
  });
}

TEST_CASE("on a bf16 wire half the bytes travel; sums are float32, of rounded values, whoever owns them") {
  constexpr std::size_t count = 4099;
  constexpr int parts = 6;
  const auto value = [](int part, std::size_t i) {
    return std::ldexp(1 + 0.37f * static_cast<float>(part) + 0.001f * static_cast<float>(i % 977), static_cast<int>(i % 9));
  };
  const auto rounded = [](float x) { return kernels::to_float(kernels::to_bf16(x)); };
  std::vector<float> expected(count);
  for (int part = 0; part < parts; ++part)
    for (std::size_t i = 0; i < count; ++i)
      expected[i] = part == 0 ? rounded(value(part, i)) : expected[i] + rounded(value(part, i));
  for (float& sum : expected) sum = rounded(sum);
  for (const int size : {2, 3}) {
    std::size_t sent[2];
    for (const bool bf16 : {false, true}) {
      Threads threads(size);
      threads.run([&](Communicator& ranks) {
        OrderedSum sum(ranks, count, bf16);
        std::vector<float> own(count);
        for (int round = 0; round < parts / size; ++round) {
          for (std::size_t i = 0; i < count; ++i) own[i] = value(round * size + ranks.rank(), i);
          sum.add(own, std::vector<bool>(static_cast<std::size_t>(size), true));
        }
        sum.finish(own);
        RANK_CHECK((own == expected) == bf16);
      });
      sent[bf16] = threads.bytes_sent();
    }
    CHECK(sent[false] == 2 * sent[true]);
  }
}

TEST_CASE("buckets are as large as their latency is worth") {
  CHECK(bucket_bytes(40'000'000, {.latency = 1e-4, .bandwidth = 1e9}) == 2'000'000);
  CHECK(bucket_bytes(40'000'000, {.latency = 1e-9, .bandwidth = 1e9}) == 1 << 16);
  CHECK(bucket_bytes(40'000'000, {.latency = 10, .bandwidth = 1e9}) == 40'000'000);
  CHECK(bucket_bytes(1000, {.latency = 1e-4, .bandwidth = 1e9}) == 1000);
  Threads threads(3);
  std::vector<LinkSpeed> seen(3);
  threads.run([&](Communicator& ranks) { seen[static_cast<std::size_t>(ranks.rank())] = measure_link(ranks); });
  for (const LinkSpeed& link : seen) {
    CHECK(link.latency > 0);
    CHECK(link.bandwidth > 0);
    CHECK(link.latency == seen[0].latency);
    CHECK(link.bandwidth == seen[0].bandwidth);
  }
}
