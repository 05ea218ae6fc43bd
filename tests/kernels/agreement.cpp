// Every backend against the reference: each slot case in float32 on the backend, in float64 on the reference, from the
// same numbers.
//
// TESSERA_CASES    only these cases: shell patterns on "slot/variant" or on the slot, separated by commas ("conv2d*")
// TESSERA_BACKEND  only this backend
// TESSERA_SIZE     the largest cases: quick, medium (the default) or bench
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>

#include "kernels/backends.h"
#include "tests/cases/slot_case.h"
#include "tests/catch.h"

using namespace tessera;
using cases::Size;
using cases::SlotCase;
using kernels::Backend;
using kernels::DType;
using kernels::Options;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Size largest_size() {
  const std::string text = environment("TESSERA_SIZE");
  if (text == "quick") return Size::quick;
  if (text == "bench") return Size::bench;
  if (!text.empty() && text != "medium")
    throw std::invalid_argument("TESSERA_SIZE is '" + text + "', not quick, medium or bench");
  return Size::medium;
}

// The emulator runs a thread block in milliseconds; only quick cases are for it. Larger ones that are asked for may be none
// of its, unless it alone is asked for.
std::vector<SlotCase> cases_for(const Backend& backend) {
  const bool emulated = std::string(backend.name) == "emulated";
  const bool alone = environment("TESSERA_BACKEND") == backend.name;
  std::vector<SlotCase> chosen =
      cases::slot_cases(environment("TESSERA_CASES"), emulated && alone ? Size::quick : largest_size());
  if (emulated) std::erase_if(chosen, [](const SlotCase& c) { return c.size > Size::quick; });
  return chosen;
}

// The backends under test: all but the reference that have a device. Those left out are named.
std::vector<const Backend*> backends_under_test() {
  const std::string only = environment("TESSERA_BACKEND");
  if (!only.empty() && !kernels::find_backend(only))
    throw std::invalid_argument("TESSERA_BACKEND: no backend '" + only + "'");
  std::vector<const Backend*> chosen;
  for (const Backend* b : kernels::backends()) {
    if (b == &kernels::reference_backend() || (!only.empty() && only != b->name)) continue;
    std::string why;
    if (b->runtime.device_count(&why) > 0)
      chosen.push_back(b);
    else
      std::cout << "skipped: backend '" << b->name << "' has no device: " << why << "\n";
  }
  return chosen;
}

// Runs `check(case)` for each case that the backend has a kernel for; names the slots it has none for.
template <class Check>
void for_each_case(const Backend& backend, Check&& check) {
  std::set<std::string> missing;
  int done = 0;
  for (const SlotCase& c : cases_for(backend)) {
    if (!cases::has_kernel(c, backend)) {
      missing.insert(c.slot);
      continue;
    }
    INFO("backend " << backend.name << ", case " << c.name());
    try {
      check(c);
    } catch (const std::exception& e) {
      FAIL_CHECK("threw: " << e.what());
    }
    ++done;
  }
  for (const std::string& slot : missing)
    std::cout << "skipped: backend '" << backend.name << "' has no kernel in slot " << slot << "\n";
  std::cout << backend.name << ": " << done << " cases\n";
}

bool is_convolution(const SlotCase& c) { return c.slot.starts_with("conv2d"); }

}  // namespace

TEST_CASE("every slot of the table has a quick case, and every case a slot") {
  std::set<std::string> slots, covered;
  kernels::for_each_slot(kernels::reference_backend(), [&](const auto& slot) { slots.insert(slot.name); });
  std::set<std::string> names;
  for (const SlotCase& c : cases::slot_cases()) {
    INFO("case " << c.name());
    CHECK(slots.contains(c.slot));
    CHECK(names.insert(c.name()).second);  // a name selects one case
    if (c.size == Size::quick) covered.insert(c.slot);
  }
  CHECK(covered == slots);
}

TEST_CASE("the reference has every slot") {
  kernels::for_each_slot(kernels::reference_backend(), [](const auto& slot) {
    INFO("slot " << slot.name);
    CHECK(static_cast<bool>(slot));
  });
}

TEST_CASE("backends agree with the reference") {
  for (const Backend* backend : backends_under_test())
    for_each_case(*backend, [&](const SlotCase& c) {
      std::vector<Options> variants{Options{}};
      if (is_convolution(c)) variants.push_back({.direct_convolution = true});
      for (bool accumulate : {false, true}) {
        if (accumulate && !c.has_gradient()) continue;
        const cases::Outputs expected = cases::run(c, kernels::reference_backend(), DType::f64, {}, accumulate);
        for (const Options& options : variants) {
          INFO((accumulate ? "accumulating" : "overwriting") << (options.direct_convolution ? ", direct convolution" : ""));
          const std::string difference =
              cases::compare(c, cases::run(c, *backend, DType::f32, options, accumulate), expected);
          if (!difference.empty()) FAIL_CHECK(difference);
        }
      }
      SUCCEED();
    });
}

TEST_CASE("backends agree with the reference in bf16") {
  for (const Backend* backend : backends_under_test())
    for_each_case(*backend, [&](const SlotCase& c) {
      if (!std::ranges::any_of(c.operands, [](const auto& o) { return o.element == cases::Element::real; })) return;
      for (bool accumulate : {false, true}) {
        if (accumulate && !c.has_gradient()) continue;
        INFO((accumulate ? "accumulating" : "overwriting"));
        const std::string difference = cases::compare(c, cases::run(c, *backend, DType::bf16, {}, accumulate),
                                                      cases::expected(c, DType::bf16, accumulate), DType::bf16);
        if (!difference.empty()) FAIL_CHECK(difference);
      }
      SUCCEED();
    });
}

// TF32 keeps 10 bits of mantissa: each product is off by at most 2⁻¹⁰ of itself, a sum of n by about 2⁻¹⁰ of what √n of its
// terms make. A sigmoid's argument is off by as much as other sums, but its own magnitude is 1. A backend may do without.
TEST_CASE("products in TF32 agree with the reference") {
  for (const Backend* backend : backends_under_test())
    for_each_case(*backend, [&](SlotCase c) {
      // Newton–Schulz's iteration makes of an error about five times as much in each of three rounds.
      const bool muon = c.slot == "muon_step";
      if (!is_convolution(c) && c.slot != "matmul" && !muon) return;
      c.tolerance = muon ? 5e-2 : c.variant.find("sigmoid") == std::string::npos ? 2e-3 : 8e-3;
      for (bool accumulate : {false, true}) {
        if (accumulate && !c.has_gradient()) continue;
        INFO((accumulate ? "accumulating" : "overwriting"));
        const std::string difference =
            cases::compare(c, cases::run(c, *backend, DType::f32, {.tf32 = true}, accumulate),
                           cases::run(c, kernels::reference_backend(), DType::f64, {}, accumulate));
        if (!difference.empty()) FAIL_CHECK(difference);
      }
      SUCCEED();
    });
}

TEST_CASE("the reference in float32 agrees with itself in float64") {
  for_each_case(kernels::reference_backend(), [&](const SlotCase& c) {
    if (c.size != Size::quick) return;
    for (bool accumulate : {false, true}) {
      if (accumulate && !c.has_gradient()) continue;
      const cases::Outputs expected = cases::run(c, kernels::reference_backend(), DType::f64, {}, accumulate);
      const std::string difference =
          cases::compare(c, cases::run(c, kernels::reference_backend(), DType::f32, {}, accumulate), expected);
      if (!difference.empty()) FAIL_CHECK(difference);
    }
    SUCCEED();
  });
}

TEST_CASE("the same call gives the same bits") {
  for (const Backend* backend : backends_under_test())
    for_each_case(*backend, [&](const SlotCase& c) {
      const Options options{.threads = 2};
      const std::string difference =
          cases::compare_bits(cases::run(c, *backend, DType::f32, options), cases::run(c, *backend, DType::f32, options));
      if (!difference.empty()) FAIL_CHECK(difference);
      SUCCEED();
    });
}

TEST_CASE("the same bits for any number of threads") {
  for (const Backend* backend : backends_under_test()) {
    if (std::string(backend->name) != "cpu") continue;
    for_each_case(*backend, [&](const SlotCase& c) {
      for (const DType type : {DType::f32, DType::bf16}) {
        const cases::Outputs one = cases::run(c, *backend, type, {.threads = 1});
        for (const int threads : {2, 3, 7}) {
          INFO(kernels::name_of(type) << ", 1 and " << threads << " threads");
          const std::string difference = cases::compare_bits(one, cases::run(c, *backend, type, {.threads = threads}));
          if (!difference.empty()) FAIL_CHECK(difference);
        }
      }
      SUCCEED();
    });
  }
}
