// What a profile says: the trace for viewers, the table for people.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/report/text.h"
#include "engine/run/peak.h"
#include "engine/run/profile.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

constexpr int steps_track = 1, layers_track = 2, slots_track = 3;

// Appends events one by one: a trace may hold hundreds of thousands.
class Events {
 public:
  void add(const Json& event) {
    text_ += (text_.empty() ? "" : ",\n") + event.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  void span(int track, const std::string& name, const char* category, std::int64_t begin, std::int64_t end, Json arguments) {
    Json event = {{"name", name},
                  {"cat", category},
                  {"ph", "X"},
                  {"ts", static_cast<double>(begin) / 1000},
                  {"dur", static_cast<double>(end - begin) / 1000},
                  {"pid", 1},
                  {"tid", track}};
    if (!arguments.empty()) event["args"] = std::move(arguments);
    add(event);
  }
  void track(int number, const char* name) {
    add({{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", number}, {"args", {{"name", name}}}});
    add({{"name", "thread_sort_index"}, {"ph", "M"}, {"pid", 1}, {"tid", number}, {"args", {{"sort_index", number}}}});
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

struct Shares {
  double flops = 0, bandwidth = 0;  // of the peaks; 0: not known
};
Shares shares_of(double seconds, double bytes, double flop, double calls, const ProfilePeaks& peaks) {
  Shares shares;
  if (seconds <= 0) return shares;
  if (peaks.flops > 0 && flop > 0) shares.flops = flop / seconds / peaks.flops;
  if (peaks.bandwidth && bytes > 0) shares.bandwidth = bytes / seconds / peaks.bandwidth(bytes / calls);
  return shares;
}

}  // namespace

ProfilePeaks measured_peaks(const Device& device) {
  if (!device.backend().runtime.host_memory || std::string_view(device.backend().name) != "cpu") return {};
  const int threads = device.options().threads;
  // By powers of two of the working set: what a cache holds comes faster than what memory does.
  const auto known = std::make_shared<std::map<int, double>>();
  return {.flops = measure_peak_flops(threads), .bandwidth = [threads, known](double bytes) {
            const int size = std::clamp(static_cast<int>(std::lround(std::log2(std::max(bytes, 1.0)))), 12, 28);
            const auto [at, fresh] = known->try_emplace(size, 0);
            if (fresh) at->second = measure_peak_bandwidth(threads, std::exp2(size));
            return at->second;
          }};
}

std::string trace_json(const Profile& profile, const ProfilePeaks& peaks) {
  Events events;
  events.add({{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", "Tessera"}}}});
  events.track(steps_track, "steps"), events.track(layers_track, "layers"), events.track(slots_track, "kernel slots");

  const std::vector<ProfileCall>& calls = profile.calls();
  const auto layer = [&](const ProfileCall& call) { return profile.layers()[static_cast<std::size_t>(call.layer)]; };
  const auto end_of = [](const ProfileCall& call) { return call.begin + call.nanoseconds; };
  const auto is_first_of_step = [&](std::size_t i) {
    return layer(calls[i]) == Profile::input && (i == 0 || layer(calls[i - 1]) != Profile::input);
  };
  std::int64_t steps = 0, evaluated = 0;
  for (std::size_t i = 0; i < calls.size();) {  // from one batch to the next
    std::size_t next = i + 1;
    while (next < calls.size() && !is_first_of_step(next)) ++next;
    if (layer(calls[i]) == Profile::input) {
      const auto any = [&](const auto& holds) {
        return std::any_of(calls.begin() + static_cast<std::ptrdiff_t>(i), calls.begin() + static_cast<std::ptrdiff_t>(next),
                           holds);
      };
      const bool updates = any([&](const ProfileCall& call) { return layer(call) == Profile::update; });
      const bool trains = any(
          [](const ProfileCall& call) { return std::string_view(call.slot).find("backward") != std::string_view::npos; });
      const std::string name = updates  ? "step " + std::to_string(++steps)
                               : trains ? "part of step " + std::to_string(steps + 1)  // --accumulate
                                        : "evaluation batch " + std::to_string(++evaluated);
      events.span(steps_track, name, "step", calls[i].begin, end_of(calls[next - 1]), Json::object());
    }
    i = next;
  }
  for (std::size_t i = 0; i < calls.size();) {  // neighbours of one layer
    std::size_t next = i + 1;
    while (next < calls.size() && calls[next].layer == calls[i].layer && !is_first_of_step(next)) ++next;
    events.span(layers_track, layer(calls[i]), "layer", calls[i].begin, end_of(calls[next - 1]), Json::object());
    i = next;
  }
  for (const ProfileCall& call : calls) {
    const double seconds = 1e-9 * static_cast<double>(call.nanoseconds);
    const Shares shares = shares_of(seconds, call.bytes, call.flop, 1, peaks);
    Json arguments = {
        {"layer", layer(call)}, {"operands", profile.shapes()[static_cast<std::size_t>(call.shape)]}, {"bytes", call.bytes}};
    if (call.flop > 0) arguments["FLOP"] = call.flop;
    if (shares.flops > 0) arguments["share of peak FLOP/s"] = std::round(shares.flops * 1e4) / 1e4;
    if (shares.bandwidth > 0) arguments["share of peak bandwidth"] = std::round(shares.bandwidth * 1e4) / 1e4;
    events.span(slots_track, call.slot, "slot", call.begin, end_of(call), std::move(arguments));
  }
  return "{\"displayTimeUnit\":\"ms\",\"otherData\":" +
         Json{{"program", "Tessera"}, {"calls", profile.count()}, {"calls in the trace", calls.size()}}.dump() +
         ",\"traceEvents\":[\n" + events.take() + "\n]}\n";
}

std::string profile_table(const Profile& profile, const ProfilePeaks& peaks, std::size_t most) {
  const std::vector<Profile::Sum> sums = profile.sums();
  double all = 0;
  for (const Profile::Sum& sum : sums) all += sum.seconds;
  const auto percent = [](double share) { return share > 0 ? format_fixed(100 * share, 1) + " %" : ""; };
  std::vector<std::vector<std::string>> rows{
      {"layer", "slot", "calls", "ms a call", "of the time", "GFLOP/s", "of peak", "GB/s", "of peak"}, {}};
  for (std::size_t i = 0; i < std::min(most, sums.size()); ++i) {
    const Profile::Sum& sum = sums[i];
    const auto calls = static_cast<double>(sum.calls);
    const Shares shares = shares_of(sum.seconds, sum.bytes, sum.flop, calls, peaks);
    rows.push_back({sum.layer, sum.slot, with_thousands(sum.calls), format_fixed(1e3 * sum.seconds / calls, 3),
                    percent(sum.seconds / all), sum.flop > 0 ? format_fixed(1e-9 * sum.flop / sum.seconds, 1) : "",
                    percent(shares.flops), format_fixed(1e-9 * sum.bytes / std::max(sum.seconds, 1e-12), 1),
                    percent(shares.bandwidth)});
  }
  rows.push_back({});
  return format_table(rows, "llrrrrrrr") + with_thousands(profile.count()) + " calls of kernels, " + format_duration(all) +
         " in them";
}

}  // namespace tessera
