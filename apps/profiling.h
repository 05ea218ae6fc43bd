// --profile FILE: where the time of a run goes.
#pragma once

#include <string>

#include "engine/files/output.h"
#include "engine/run/console.h"
#include "engine/run/profile.h"

namespace tessera {

class Profiling {
 public:
  // UsageError where the file is standard output, which has the results.
  explicit Profiling(const std::string& file);

  Profile& profile() { return profile_; }
  // Writes the trace, and says what was slowest.
  void report(const Device& device, const Console& console) const;

 private:
  std::string file_;
  Output output_;
  Profile profile_;
};

}  // namespace tessera
