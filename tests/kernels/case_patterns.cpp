// Choosing slot cases by pattern: TESSERA_CASES of the tests and the benchmark's PATTERN. What matches nothing is an error,
// since a run of no case would pass.
#include <algorithm>

#include "kernels/backends.h"
#include "tests/cases/slot_case.h"
#include "tests/catch.h"

using namespace tessera;
using cases::Size;
using cases::slot_cases;
using Catch::Contains;

TEST_CASE("a pattern chooses cases by slot or by slot and variant") {
  const auto all = slot_cases("", Size::bench);
  CHECK(all.size() == slot_cases().size());
  const auto products = slot_cases("matmul", Size::bench);
  CHECK_FALSE(products.empty());
  CHECK(std::ranges::all_of(products, [](const auto& c) { return c.slot == "matmul"; }));
  CHECK(slot_cases("arithmetic/a plus b n=1025", Size::quick).size() == 1);
  CHECK(slot_cases("arithmetic/a plus b n=1025,matmul", Size::bench).size() == products.size() + 1);
}

TEST_CASE("a pattern that matches no case is an error that names it and shows how names look") {
  CHECK_THROWS_AS(slot_cases("conv3d*", Size::bench), std::invalid_argument);
  CHECK_THROWS_WITH(slot_cases("conv3d*", Size::bench), Contains("'conv3d*'") && Contains("slot/variant") &&
                                                            Contains("conv2d_forward") &&
                                                            Contains("arithmetic/a plus b n="));
}

TEST_CASE("the error names each slot once") {
  try {
    slot_cases("conv3d*", Size::bench);
    FAIL("it is accepted");
  } catch (const std::invalid_argument& error) {
    const std::string text = error.what();
    CHECK(text.find("sgd_step") != std::string::npos);
    CHECK(text.find("sgd_step") == text.rfind("sgd_step"));
  }
}

TEST_CASE("every pattern of a list must match") {
  CHECK_THROWS_WITH(slot_cases("matmul*,no_such_slot,arithmetic*", Size::bench), Contains("'no_such_slot'"));
}

TEST_CASE("patterns that match large cases only are an error where only small ones are run") {
  const auto all = slot_cases();
  const auto large = std::ranges::find(all, Size::medium, &cases::SlotCase::size);
  REQUIRE(large != all.end());
  CHECK(slot_cases(large->name(), Size::medium).size() == 1);
  CHECK_THROWS_WITH(slot_cases(large->name(), Size::quick), Contains("size quick"));
  CHECK(slot_cases(large->name() + ",arithmetic/a plus b n=1025", Size::quick).size() == 1);
}

TEST_CASE("which kernels two backends share is known slot by slot") {
  const kernels::Backend& cpu = kernels::cpu_backend();
  kernels::for_each_slot(cpu, [&](const auto& slot) {
    INFO("slot " << slot.name);
    CHECK(cases::same_kernel(slot.name, cpu, cpu));
    if (slot) CHECK_FALSE(cases::same_kernel(slot.name, cpu, kernels::reference_backend()));
  });
}
