// The order scan over every kernel of the emulated backend: each quick slot case, in float32 and bf16, under every schedule,
// must give the right values, the same bits each time, and no two blocks may write the same byte. Under a sanitizer, which
// needs no luck with the order, two schedules that differ as much as can be are enough.
//
// TESSERA_CASES   only these cases: shell patterns on "slot/variant" or on the slot, separated by commas ("conv2d*")
#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include "kernels/backends.h"
#include "kernels/emulator/emulator.h"
#include "tests/cases/slot_case.h"
#include "tests/catch.h"

using namespace tessera;
using kernels::DType;
using kernels::emulated::Copies;
using kernels::emulated::counters;
using kernels::emulated::Order;
using kernels::emulated::Policy;
using kernels::emulated::Schedule;
using kernels::emulated::ScopedSchedule;

namespace {

const kernels::Backend& emulated() { return kernels::emulated_backend(); }

std::vector<Schedule> schedules() {
  if (std::string(TESSERA_SANITIZE).empty()) return kernels::emulated::all_schedules();
  return {{}, {.order = Order::reverse, .policy = Policy::greedy, .copies = Copies::early}};
}

struct Call {
  cases::SlotCase slot_case;
  DType type;
  bool accumulate;
  std::string name() const {
    return slot_case.name() + (type == DType::bf16 ? ", bf16" : ", float32") + (accumulate ? ", adding" : "");
  }
};

// Every quick case that has a kernel: in both types where it has operands of type T, in both modes where it has gradients.
std::vector<Call> calls() {
  const char* pattern = std::getenv("TESSERA_CASES");
  std::vector<Call> all;
  for (const cases::SlotCase& c : cases::slot_cases(pattern ? pattern : "", cases::Size::quick)) {
    if (!cases::has_kernel(c, emulated())) continue;
    for (const DType type : {DType::f32, DType::bf16})
      for (const bool accumulate : {false, true}) {
        const bool typed = std::ranges::any_of(c.operands, [](const auto& o) { return o.element == cases::Element::real; });
        if ((type == DType::f32 || typed) && (!accumulate || c.has_gradient())) all.push_back({c, type, accumulate});
      }
  }
  return all;
}

cases::Outputs run_under(const Schedule& schedule, const Call& call) {
  const ScopedSchedule scoped(schedule);
  return cases::run(call.slot_case, emulated(), call.type, {}, call.accumulate);
}

// check(call), where an exception is a failure of this call alone.
template <class Check>
void for_each_call(Check&& check) {
  for (const Call& call : calls()) {
    INFO("case " << call.name());
    try {
      check(call);
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
  }
}

}  // namespace

TEST_CASE("every slot gives the same bits under every schedule") {
  std::set<std::string> slots;
  for_each_call([&](const Call& call) {
    slots.insert(call.slot_case.slot);
    const auto copies_before = counters().copies;
    const std::vector<Schedule> all = schedules();
    const cases::Outputs first = run_under(all.front(), call);
    const bool copies = counters().copies != copies_before;
    CHECK(cases::compare(call.slot_case, first, cases::expected(call.slot_case, call.type, call.accumulate), call.type) ==
          "");
    for (std::size_t i = 1; i < all.size(); ++i) {
      const bool sanitized = !std::string(TESSERA_SANITIZE).empty();
      if (!copies && !sanitized && all[i].copies != Copies::late) continue;  // it has none: nothing would be different
      INFO("schedule " << describe(all[i]) << " against " << describe(all.front()));
      CHECK(cases::compare_bits(run_under(all[i], call), first) == "");
    }
  });
  if (!std::getenv("TESSERA_CASES")) {
    std::size_t kernels = 0;
    kernels::for_each_slot(emulated(), [&](const auto& slot) { kernels += slot ? 1u : 0u; });
    CHECK(slots.size() == kernels);  // no kernel goes without a case
  }
}

TEST_CASE("no two blocks of a slot's kernels write the same byte") {
  for_each_call([](const Call& call) {
    if (call.accumulate == call.slot_case.has_gradient()) CHECK_NOTHROW(run_under({.write_sets = true}, call));
  });
}

TEST_CASE("slots issue their work and never wait, and allocate workspace only") {
  using kernels::emulated::Counters;
  for_each_call([](const Call& call) {
    kernels::Stream stream(emulated(), 0, {});
    cases::Prepared prepared(call.slot_case, stream, call.type, call.accumulate);
    prepared.call();  // the workspace grows
    prepared.reset();
    const Counters before = counters();
    prepared.call();
    const Counters after = counters();
    CHECK(after.launches > before.launches);
    CHECK(after.allocations == before.allocations);
    CHECK(after.synchronizations == before.synchronizations);
  });
}
