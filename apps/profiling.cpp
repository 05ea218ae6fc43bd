#include "apps/profiling.h"

#include <nlohmann/json.hpp>

#include "engine/report/text.h"

namespace tessera {

Profiling::Profiling(const std::string& file) : file_(file), output_(file, ExitCode::failure) {
  if (output_.is_standard_output())
    throw UsageError("--profile " + file + ": standard output has the results; name a file, such as trace.json");
}

void Profiling::report(const Device& device, const Console& console) const {
  if (profile_.count() == 0) return;
  const ProfilePeaks peaks = measured_peaks(device);
  output_.write(bytes_of(trace_json(profile_, peaks)));
  console.result(profile_table(profile_, peaks));
  console.result("trace of " + with_thousands(static_cast<std::int64_t>(profile_.calls().size())) + " calls in " + file_ +
                 ", for ui.perfetto.dev and chrome://tracing");
  nlohmann::ordered_json slowest = nlohmann::ordered_json::array();
  for (const Profile::Sum& sum : profile_.sums()) {
    if (slowest.size() == 15) break;
    slowest.push_back({{"layer", sum.layer},
                       {"slot", sum.slot},
                       {"operands", sum.shape},
                       {"calls", sum.calls},
                       {"seconds", sum.seconds},
                       {"bytes", sum.bytes},
                       {"flop", sum.flop}});
  }
  console.object(nlohmann::ordered_json{{"event", "profile"}, {"trace", file_}, {"slowest", slowest}}.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace tessera
