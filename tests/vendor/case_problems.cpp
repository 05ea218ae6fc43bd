#include <memory>
#include <set>

#include "kernels/backends.h"
#include "tests/cases/slot_case.h"
#include "tests/vendor/problems.h"

namespace tessera::test {
namespace {

using namespace kernels;
using namespace kernels::vendor;

using Note = std::vector<Conv2dProblem>;

void note(Stream& stream, const Conv2dProblem& problem) { static_cast<Note*>(stream.library.get())->push_back(problem); }

}  // namespace

std::vector<NotedProblem> convolutions(DType type) {
  Backend table = reference_backend();
  note_convolutions<note>(table);
  Stream stream(table, 0, {});
  const auto noted = std::make_shared<Note>();
  stream.library = noted;
  std::vector<NotedProblem> all;
  std::set<std::string> keys;
  std::byte somewhere{};  // operands that nobody reads
  for (const cases::SlotCase& c :
       cases::slot_cases("conv2d_forward,conv2d_backward_data,conv2d_backward_weights", cases::Size::bench))
    for (bool accumulate : {false, true}) {
      if (accumulate && !c.has_gradient()) continue;
      std::vector<cases::Operands::Entry> operands;
      for (const cases::Operand& o : c.operands) {
        const bool narrow = o.element == cases::Element::parameter && type == DType::bf16;
        operands.push_back({&o, View{&somewhere, narrow ? DType::f32 : type, o.dims}});
      }
      c.call(stream, cases::Operands(std::move(operands), accumulate));
      if (keys.insert(key_of(noted->back())).second) all.push_back({c.name(), noted->back()});
    }
  return all;
}

}  // namespace tessera::test
