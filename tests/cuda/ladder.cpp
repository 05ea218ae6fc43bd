// Every rung of the ladder against a product in double, on every device that has one.
#include <cmath>
#include <iostream>
#include <vector>

#include "kernels/backends.h"
#include "kernels/ladder.h"
#include "tests/cases/slot_case.h"
#include "tests/catch.h"

using namespace tessera;
using kernels::Backend;

namespace {

cases::SlotCase product(std::int64_t m, std::int64_t n, std::int64_t k, int rung) {
  return {.slot = "matmul",
          .variant = "ladder",
          .operands = {cases::input("a", {m, k}), cases::input("b", {k, n}), cases::output("c", {m, n})},
          .call = [rung](kernels::Stream& s, const cases::Operands& o) {
            kernels::ladder_of(s.backend)(s, rung, o["a"], o["b"], o["c"]);
          }};
}

std::vector<const Backend*> with_a_ladder() {
  std::vector<const Backend*> found;
  for (const Backend* backend : kernels::backends())
    if (kernels::ladder_of(*backend) && backend->runtime.device_count(nullptr) > 0) found.push_back(backend);
  return found;
}

}  // namespace

TEST_CASE("every rung of the ladder is the product") {
  for (const Backend* backend : with_a_ladder())
    for (int rung = 0; rung < static_cast<int>(kernels::ladder_rungs.size()); ++rung)
      for (const auto& [m, n, k] : {std::array{128, 64, 48}, std::array{64, 128, 16}}) {
        INFO("backend " << backend->name << ", rung " << kernels::ladder_rungs[static_cast<std::size_t>(rung)] << ", " << m
                        << "x" << n << " over " << k);
        cases::SlotCase made = product(m, n, k, rung);
        const cases::Outputs got = cases::run(made, *backend, kernels::DType::f32);
        made.call = [](kernels::Stream& s, const cases::Operands& o) {
          s.backend.matmul(s, {}, o["a"], o["b"], {}, {o["c"], false});
        };
        made.tolerance = rung == 3 ? 1e-3 : 2e-6;  // TF32 has 11 bits
        const std::string difference = cases::compare(made, got, cases::expected(made, kernels::DType::f32));
        if (!difference.empty()) FAIL_CHECK(difference);
        CHECK(got.at(0).values.size() == static_cast<std::size_t>(m * n));
      }
}

TEST_CASE("a ladder refuses sizes that it has no tiles for") {
  for (const Backend* backend : with_a_ladder())
    for (const auto& [m, n, k] : {std::array{32, 64, 16}, std::array{64, 96, 16}, std::array{64, 64, 8}})
      CHECK_THROWS_AS(cases::run(product(m, n, k, 0), *backend, kernels::DType::f32), std::invalid_argument);
}
