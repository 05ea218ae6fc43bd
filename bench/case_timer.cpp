#include "bench/case_timer.h"

#include <algorithm>
#include <cmath>

#include "bench/timing.h"

namespace tessera::bench {
namespace {

constexpr double issued_seconds = 1e-3;  // what one issue() should take: enough to hide the start of a recording
constexpr double group_seconds = 5e-3;
constexpr int most_calls = 128, most_sets = 16;

int times_for(double wanted, double once, int most) {
  return static_cast<int>(std::clamp(std::ceil(wanted / std::max(once, 1e-9)), 1.0, static_cast<double>(most)));
}

}  // namespace

double bytes_of(const cases::SlotCase& slot_case, kernels::DType real) {
  double sum = 0;
  for (const cases::Operand& o : slot_case.operands) {
    const bool gathered = slot_case.slot == "gather_batch" && (o.name == "images" || o.name == "labels");
    const double bytes = static_cast<double>(o.bytes(real));
    if (gathered) continue;  // counted below: only the batch's are read
    sum += bytes * (o.role == cases::Role::in_out ? 2 : 1);
    if (slot_case.slot == "gather_batch" && o.name == "x") sum += static_cast<double>(o.dims.count());
  }
  return sum;
}

CaseTimer::CaseTimer(const cases::SlotCase& slot_case, const kernels::Backend& backend, const kernels::Options& options,
                     kernels::DType real, const std::shared_ptr<const cases::Contents>& contents, double working_set)
    : stream_(backend, 0, options) {
  double bytes = 0;
  for (const cases::Operand& o : slot_case.operands) bytes += static_cast<double>(o.bytes(real));
  const int sets = times_for(working_set, bytes, most_sets);
  for (int i = 0; i < sets; ++i)
    sets_.push_back(std::make_unique<cases::Prepared>(slot_case, stream_, real, false, contents));

  calls_ = sets;
  timed(1);  // growth of the workspace, choice of plans
  calls_ = (times_for(issued_seconds, timed(1) / calls_, most_calls) + sets - 1) / sets * sets;
  const kernels::Runtime& runtime = backend.runtime;
  if (runtime.begin_recording) {
    runtime.begin_recording(stream_.native);
    try {
      issue();
    } catch (...) {
      if (void* unfinished = runtime.end_recording(stream_.native)) runtime.destroy_recording(unfinished);
      throw;
    }
    recording_ = runtime.end_recording(stream_.native);
    timed(1);
  }
  times_ = times_for(group_seconds, timed(1), 10'000);
}

CaseTimer::~CaseTimer() {
  if (recording_) stream_.backend.runtime.destroy_recording(recording_);
}

void CaseTimer::issue() {
  for (int i = 0; i < calls_; ++i) sets_[static_cast<std::size_t>(i) % sets_.size()]->call();
}

double CaseTimer::timed(int times) {
  const kernels::Runtime& runtime = stream_.backend.runtime;
  runtime.synchronize(stream_.native);
  const double start = now();
  for (int i = 0; i < times; ++i) {
    if (recording_)
      runtime.replay(stream_.native, recording_);
    else
      issue();
  }
  runtime.synchronize(stream_.native);
  return now() - start;
}

double CaseTimer::sample() { return timed(times_) / (static_cast<double>(times_) * calls_); }

cases::Outputs CaseTimer::outputs() {
  sets_.front()->reset();
  sets_.front()->call();
  return sets_.front()->outputs();
}

}  // namespace tessera::bench
