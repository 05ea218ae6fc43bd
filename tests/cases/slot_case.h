// Slot cases: one kernel slot with one shape, described once and used by everyone who needs it: agreement between
// backends, gradient checks, race checks and the benchmark.
//
// A case lists its operands and how to call the slot with them. The harness allocates every operand on its own and to the
// byte (so that a sanitizer sees an overrun), fills it, runs the slot and fetches what came out.
//
//   * Values depend on the names of case and operand only; reals are rounded to float32 whatever the run's type, so that a
//     float32 run and a float64 run start from the same numbers.
//   * Outputs hold NaN (bytes 0xFF) before the call. Gradients do so too with accumulate = false, and hold known values
//     with accumulate = true.
//   * An operand may start in the middle of its allocation, as a slice of a parameter buffer does.
//   * Inputs must not change; run() throws where they do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/backend.h"

namespace tessera::cases {

// What an operand is made of. `real` and `parameter` are the kinds T and P of kernels/backend.h: the run's type, float32
// for parameters where that is bf16. `bf16` is bf16 in every run.
enum class Element { real, parameter, bf16, i32, u8, step_state, step_guard, metrics };

enum class Role {
  input,
  output,    // overwritten
  gradient,  // overwritten or added to: such a case runs in both modes
  in_out,    // read and changed in place
};

// Value of element i of an operand; `stream` names the operand, for philox(…, Purpose::test, stream, i).
using Fill = std::function<double(std::uint64_t stream, std::int64_t i)>;

struct Operand {
  std::string name;
  Role role;
  kernels::Dims dims;
  Fill fill;
  Element element = Element::real;
  std::vector<std::byte> contents = {};  // structs (step_state, step_guard, metrics): their initial bytes
  std::int64_t offset = 0;               // elements into its allocation where it starts: not 0 for a slice of a larger one

  std::size_t bytes(kernels::DType real) const;
};

// The operands in device memory, by name.
class Operands {
 public:
  struct Entry {
    const Operand* operand;
    kernels::View view;
  };
  Operands(std::vector<Entry> entries, bool accumulate) : entries_(std::move(entries)), accumulate_(accumulate) {}

  kernels::View operator[](std::string_view name) const;  // throws std::out_of_range for a name the case does not list
  kernels::View optional(std::string_view name) const;    // empty for a name the case does not list
  kernels::Gradient gradient(std::string_view name) const { return {(*this)[name], accumulate_}; }
  kernels::Gradient optional_gradient(std::string_view name) const { return {optional(name), accumulate_}; }
  template <class T>
  T* as(std::string_view name) const {
    return static_cast<T*>(optional(name).data);
  }  // null where not listed

 private:
  std::vector<Entry> entries_;
  bool accumulate_;
};

// Where a case is worth running; each includes the ones before it.
enum class Size {
  quick,   // everywhere, the emulator too (well below 10⁶ multiplications)
  medium,  // real backends
  bench,   // benchmark; agreement only when asked for
};

struct SlotCase {
  std::string slot;     // a name from for_each_slot
  std::string variant;  // what is particular about this case, e.g. "3x3 s1 c64 k64 8x8"
  std::vector<Operand> operands;
  std::function<void(kernels::Stream&, const Operands&)> call;
  double tolerance = 2e-6;    // float32: largest error allowed, as a share of the output's largest magnitude …
  double bf16_tolerance = 0;  // the same where T is bf16, besides one rounding of each stored element
  double magnitude = 0;       // … or of this, where the output is a small difference of terms of this size
  double flops = 0;           // floating-point operations of one call
  Size size = Size::quick;

  std::string name() const { return slot + "/" + variant; }
  bool has_gradient() const;
  // Bytes that one call must move at least in float32: inputs and outputs once, in-out operands twice.
  double bytes() const;
};

// Every case, slot by slot in the order of the table; then some of them once more with unaligned operands.
std::vector<SlotCase> slot_cases();
// Does its name or its slot match a shell pattern (`*`, `?`, `[…]`; several separated by commas; empty: any)?
bool matches(const SlotCase&, std::string_view pattern);
// Throws std::invalid_argument where one of the patterns matches none of these cases: which, and how names look.
void require_matches(std::string_view pattern, const std::vector<const SlotCase*>& among);
// Those that match, and whose size is at most `largest`. Throws std::invalid_argument where a pattern matches no case of any
// size, or all of them together none that is small enough: a run of nothing would pass.
std::vector<SlotCase> slot_cases(std::string_view pattern, Size largest);

// Has the backend a kernel in the case's slot?
bool has_kernel(const SlotCase&, const kernels::Backend&);
// Is it the same kernel in both backends, or none in either?
bool same_kernel(std::string_view slot, const kernels::Backend&, const kernels::Backend&);

// What came out, one entry for each operand that is not an input.
struct Output {
  std::string name;
  std::vector<double> values;
  std::vector<std::byte> bytes;
  double initial = 0;  // the largest magnitude before the call, where the call adds to it
};
using Outputs = std::vector<Output>;

// What the operands hold before the first call, one after the other. T is `real`; its values are rounded to `values` first,
// so that a run in float64 can start from bf16's numbers.
using Contents = std::vector<std::vector<std::byte>>;
Contents contents(const SlotCase&, kernels::DType real, bool accumulate, kernels::DType values = kernels::DType::f32);

// A case with its operands in device memory: a benchmark prepares once and calls often.
class Prepared {
 public:
  Prepared(const SlotCase&, kernels::Stream&, kernels::DType real, bool accumulate,
           kernels::DType values = kernels::DType::f32);
  // Several can share their contents: making those of large operands takes longer than all calls.
  Prepared(const SlotCase&, kernels::Stream&, kernels::DType real, bool accumulate, std::shared_ptr<const Contents>);

  void reset();       // operands as they are before the first call
  void call();        // issues the slot to the stream; does not wait
  Outputs outputs();  // waits; throws std::logic_error where an input has changed

 private:
  struct Release {
    const kernels::Runtime* runtime;
    int device;
    void operator()(void* memory) const { runtime->release(device, memory); }
  };
  const SlotCase& case_;
  kernels::Stream& stream_;
  kernels::DType real_;
  std::vector<std::unique_ptr<void, Release>> memory_;
  std::vector<void*> operand_at_;  // in memory_
  std::shared_ptr<const Contents> initial_;
  std::optional<Operands> operands_;
};

// Prepare, call once, fetch.
Outputs run(const SlotCase&, const kernels::Backend&, kernels::DType real, kernels::Options = {}, bool accumulate = false,
            int device = 0);
// What run(…, real, …) should give: the reference in float64, from the same numbers.
Outputs expected(const SlotCase&, kernels::DType real, bool accumulate = false);

// The worst difference beyond the case's tolerance, in words; empty where there is none. Integers must be equal; NaN must
// meet NaN and an infinity the same infinity. What an operand held before counts as its magnitude too: the new value may be
// a small difference.
std::string compare(const SlotCase&, const Outputs& got, const Outputs& expected, kernels::DType real = kernels::DType::f32);
// The first operand whose bytes differ, in words; empty where there is none.
std::string compare_bits(const Outputs& first, const Outputs& second);

// ---- making cases ------------------------------------------------------------------------------------------------------

std::string extents(const kernels::Dims&);  // "2x5x7x3"

Fill normal(double mean = 0, double deviation = 1);  // nearly: the sum of four uniform draws, within ±3.5 deviations
Fill uniform(double low, double high);               // [low, high)
Fill integers(std::int64_t below);                   // 0 … below − 1
Fill constant(double value);
Fill listed(std::vector<double> values);  // repeated where there are more elements

Operand input(std::string name, kernels::Dims dims, Fill fill = normal(), Element element = Element::real);
Operand output(std::string name, kernels::Dims dims, Element element = Element::real);
Operand gradient(std::string name, kernels::Dims dims, Element element = Element::real);
Operand in_out(std::string name, kernels::Dims dims, Fill fill = normal(), Element element = Element::real);
Operand step_state(kernels::StepState);
Operand step_guard(kernels::StepGuard, Role role = Role::input);
Operand metrics(kernels::Metrics);

// The families; slot_cases() joins them.
void add_elementwise_cases(std::vector<SlotCase>&);
void add_reduction_cases(std::vector<SlotCase>&);
void add_matmul_cases(std::vector<SlotCase>&);
void add_conv2d_cases(std::vector<SlotCase>&);
void add_pool_cases(std::vector<SlotCase>&);
void add_batch_norm_cases(std::vector<SlotCase>&);
void add_layer_norm_cases(std::vector<SlotCase>&);
void add_loss_cases(std::vector<SlotCase>&);
void add_optimizer_cases(std::vector<SlotCase>&);
void add_muon_cases(std::vector<SlotCase>&);
void add_gather_cases(std::vector<SlotCase>&);
void add_alteration_cases(std::vector<SlotCase>&);

}  // namespace tessera::cases
