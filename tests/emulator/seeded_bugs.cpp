// Every seeded bug is found by exactly those checkers that it names. A bug that a sanitizer sees ends the program it runs
// in, so it runs in a program of its own: this one again, with the one test that is hidden below.
#include "tests/emulator/seeded_bugs.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/catch.h"

namespace tessera::tests {
namespace {

using kernels::Stream;
using kernels::emulated::Schedule;
using kernels::emulated::ScopedSchedule;

std::vector<SeededBug> all_bugs() {
  std::vector<SeededBug> all;
  for (const auto& family : {bugs_in_sums(), bugs_in_tiles(), bugs_in_control_flow(), bugs_in_memory()})
    all.insert(all.end(), family.begin(), family.end());
  return all;
}

bool sanitized_for(const std::string& name) { return std::string(TESSERA_SANITIZE).find(name) != std::string::npos; }

// Would it end this program, or, where nothing watches, corrupt it?
bool must_run_alone(const SeededBug& bug) {
  return bug.found(address) || bug.found(undefined) || (sanitized_for("thread") && bug.found(race));
}

constexpr const char* choice = "TESSERA_SEEDED_BUG";

// What the program printed that ran the faulty kernel once.
std::string run_alone(const SeededBug& bug) {
  char program[4096];
  const auto length = readlink("/proc/self/exe", program, sizeof program);
  REQUIRE(length > 0);
  setenv(choice, bug.name.c_str(), 1);
  const std::string command = "'" + std::string(program, static_cast<std::size_t>(length)) + "' 'one seeded bug' 2>&1";
  std::FILE* const output = popen(command.c_str(), "r");
  REQUIRE(output != nullptr);
  std::string text;
  char part[4096];
  while (const std::size_t bytes = std::fread(part, 1, sizeof part, output)) text.append(part, bytes);
  pclose(output);
  unsetenv(choice);
  return text;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("correct kernels agree bit for bit under every schedule") {
  for (const SeededBug& bug : all_bugs()) {
    INFO(bug.name);
    CHECK_FALSE(scan(bug.correct));
    CHECK_FALSE(scan(bug.correct, {{.write_sets = true}}));
  }
}

TEST_CASE("missing barriers, wrong masks, missing atomics: found by the order scan or by write sets, as named") {
  // There shared memory has red zones instead of poison, and holds what an earlier kernel left: it may be right by luck.
  if (sanitized_for("address")) return;
  for (const SeededBug& bug : all_bugs()) {
    if (must_run_alone(bug)) continue;
    INFO(bug.name);
    const std::vector<Schedule> plain = {{}};
    std::vector<float> right;
    scan([&](Stream& stream) { return right = bug.correct(stream); }, plain);
    std::vector<float> first;
    const bool reported = scan([&](Stream& stream) { return first = bug.faulty(stream); }, plain).has_value();
    CHECK((reported || first.size() != right.size() ||
           std::memcmp(first.data(), right.data(), right.size() * sizeof(float)) != 0) == bug.found(forward));
    const auto by_order = scan(bug.faulty), by_writes = scan(bug.faulty, {{.write_sets = true}});
    CHECK(by_order.has_value() == bug.found(order_scan));
    CHECK((by_writes && contains(by_writes->fault, "without an atomic")) == bug.found(write_sets));
    if (bug.report.empty()) continue;
    const std::string fault = by_order ? by_order->fault : by_writes ? by_writes->fault : "";
    CHECK_THAT(fault, Catch::Contains(bug.report) && Catch::Contains("kernel launched at"));
  }
}

TEST_CASE("races, overruns and misaligned accesses: found by the sanitizer that they name") {
  if (std::string(TESSERA_SANITIZE).empty()) return;  // nothing of this kind watches
  for (const SeededBug& bug : all_bugs()) {
    const std::string output = run_alone(bug);
    INFO(bug.name << '\n' << output);
    if (sanitized_for("thread")) CHECK(contains(output, "WARNING: ThreadSanitizer: data race") == bug.found(race));
    // Whichever comes first ends the program, so one of those that are named is enough.
    const bool by_address = contains(output, "ERROR: AddressSanitizer: "),
               by_undefined = contains(output, "runtime error: ");
    if (sanitized_for("address") && sanitized_for("undefined"))
      CHECK((by_address || by_undefined) == (bug.found(address) || bug.found(undefined)));
    CHECK_FALSE((by_address && !bug.found(address)));
    CHECK_FALSE((by_undefined && !bug.found(undefined)));
    if (bug.found(race) || bug.found(address) || bug.found(undefined)) continue;
    CHECK(contains(output, "seeded bug has run"));  // and went through
  }
}

TEST_CASE("one seeded bug", "[.]") {
  const char* const name = std::getenv(choice);
  REQUIRE(name != nullptr);
  for (const SeededBug& bug : all_bugs()) {
    if (bug.name != name) continue;
    scan(bug.faulty, {{}});
    std::puts("seeded bug has run");
  }
}

}  // namespace tessera::tests
