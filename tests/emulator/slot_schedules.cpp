// The order scan over every kernel of the emulated backend: each quick slot case, under every schedule, must give the
// same bits, and no two blocks may write the same byte.
//
// TESSERA_CASES   only these cases: shell patterns on "slot/variant" or on the slot, separated by commas ("conv2d*")
#include <cstdlib>
#include <set>
#include <string>

#include "kernels/backends.h"
#include "kernels/emulator/emulator.h"
#include "tests/cases/slot_case.h"
#include "tests/catch.h"

using namespace tessera;
using kernels::emulated::all_schedules;
using kernels::emulated::KernelFault;
using kernels::emulated::Schedule;
using kernels::emulated::ScopedSchedule;

namespace {

const kernels::Backend& emulated() { return kernels::emulated_backend(); }

std::vector<cases::SlotCase> quick_cases() {
  const char* pattern = std::getenv("TESSERA_CASES");
  return cases::slot_cases(pattern ? pattern : "", cases::Size::quick);
}

cases::Outputs run_under(const Schedule& schedule, const cases::SlotCase& slot_case, bool accumulate) {
  const ScopedSchedule scoped(schedule);
  return cases::run(slot_case, emulated(), kernels::DType::f32, {}, accumulate);
}

}  // namespace

TEST_CASE("every slot gives the same bits under every schedule") {
  const std::vector<Schedule> schedules = all_schedules();
  std::set<std::string> slots;
  for (const cases::SlotCase& slot_case : quick_cases()) {
    if (!cases::has_kernel(slot_case, emulated())) continue;
    slots.insert(slot_case.slot);
    for (const bool accumulate : {false, true}) {
      if (accumulate && !slot_case.has_gradient()) continue;
      INFO("case " << slot_case.name() << (accumulate ? ", adding" : ", overwriting"));
      const cases::Outputs first = run_under(schedules.front(), slot_case, accumulate);
      for (std::size_t i = 1; i < schedules.size(); ++i) {
        INFO("schedule " << describe(schedules[i]) << " against " << describe(schedules.front()));
        CHECK(cases::compare_bits(run_under(schedules[i], slot_case, accumulate), first) == "");
      }
    }
  }
  if (!std::getenv("TESSERA_CASES")) {
    std::size_t kernels = 0;
    kernels::for_each_slot(emulated(), [&](const auto& slot) { kernels += slot ? 1u : 0u; });
    CHECK(slots.size() == kernels);  // no kernel goes without a case
  }
}

TEST_CASE("no two blocks of a slot's kernels write the same byte") {
  for (const cases::SlotCase& slot_case : quick_cases()) {
    if (!cases::has_kernel(slot_case, emulated())) continue;
    INFO("case " << slot_case.name());
    CHECK_NOTHROW(run_under({.write_sets = true}, slot_case, slot_case.has_gradient()));
  }
}

TEST_CASE("slots issue their work and never wait, and allocate workspace only") {
  using kernels::emulated::Counters;
  using kernels::emulated::counters;
  for (const cases::SlotCase& slot_case : quick_cases()) {
    if (!cases::has_kernel(slot_case, emulated())) continue;
    INFO("case " << slot_case.name());
    kernels::Stream stream(emulated(), 0, {});
    cases::Prepared prepared(slot_case, stream, kernels::DType::f32, slot_case.has_gradient());
    prepared.call();  // the workspace grows
    prepared.reset();
    const Counters before = counters();
    prepared.call();
    const Counters after = counters();
    CHECK(after.launches > before.launches);
    CHECK(after.allocations == before.allocations);
    CHECK(after.synchronizations == before.synchronizations);
  }
}
