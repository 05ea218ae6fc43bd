// What the overlay takes of each network's training step.
#include <iostream>

#include "models/catalogue.h"
#include "tests/catch.h"
#include "tests/vendor/network_problems.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::kernels::vendor;

TEST_CASE("the overlay takes every convolution and every pooling of every network, and what batch norms cuDNN has") {
  int networks = 0;
  for (const NetworkEntry& entry : catalogue())
    for (DType type : {DType::f32, DType::bf16}) {
      const test::NetworkProblems asked = test::network_problems(entry.id, type, entry.recipe.batch_size);
      INFO(entry.id << " in " << name_of(type));
      ++networks;
      CHECK_FALSE(asked.convolutions.empty());
      for (const Conv2dProblem& problem : asked.convolutions) {
        INFO(key_of(problem));
        CHECK(serves(problem));
      }
      for (const MaxPoolProblem& problem : asked.poolings) {
        INFO(key_of(problem));
        CHECK(serves(problem));
      }
      // All with channels in packs of 16 bytes, but a residual without ReLU. A norm's gradients are never added to others.
      CHECK(asked.gradients_added == 0);
      int served = 0;
      for (const BatchNormProblem& problem : asked.batch_norms) {
        INFO(key_of(problem));
        const bool packed = problem.x.c * static_cast<std::int64_t>(size_of(problem.type)) % 16 == 0;
        CHECK(serves(problem) == (packed && (problem.relu || !problem.residual)));
        served += serves(problem);
      }
      std::cout << entry.id << " in " << name_of(type) << ": " << asked.convolutions.size() << " convolutions, "
                << asked.poolings.size() << " poolings, " << served << " of " << asked.batch_norms.size()
                << " batch norms\n";
    }
  CHECK(networks >= 2 * 12);
}
