// Times one slot case on one stream, a group of calls at a time, so that several backends can take turns.
//
// A device is timed as it works in a step: calls follow each other without the host between them (recorded, where the device
// can record), and each call finds its operands in memory, not in a cache that the call before has filled: the timer goes
// round several sets of operands, which together are larger than `working_set`.
#pragma once

#include <memory>
#include <vector>

#include "tests/cases/slot_case.h"

namespace tessera::bench {

class CaseTimer {
 public:
  // `contents` are the case's, not accumulating, shared by all sets of operands. `working_set` 0: one set, however often it
  // is read.
  CaseTimer(const cases::SlotCase& slot_case, const kernels::Backend& backend, const kernels::Options& options,
            kernels::DType real, const std::shared_ptr<const cases::Contents>& contents, double working_set);
  ~CaseTimer();
  CaseTimer(const CaseTimer&) = delete;
  CaseTimer& operator=(const CaseTimer&) = delete;

  double sample();           // seconds of one call, over a group that takes some milliseconds
  cases::Outputs outputs();  // of one call from the case's contents
  const char* backend_name() const { return stream_.backend.name; }

 private:
  void issue();  // calls_ calls
  double timed(int times);

  kernels::Stream stream_;
  std::vector<std::unique_ptr<cases::Prepared>> sets_;
  int calls_ = 1, times_ = 1;
  void* recording_ = nullptr;
};

// Bytes that one call must move at least: inputs and outputs once, in-out operands twice.
double bytes_of(const cases::SlotCase& slot_case, kernels::DType real);

}  // namespace tessera::bench
