// A profile of a run: when each kernel slot was called, how long it took, what it read, wrote and computed, and for which
// layer.
//
// It stands before a backend's table of slots, as another table that calls it and looks at the clock: without a profile
// nothing of it is there. A device that works on while its host goes on (a GPU) is waited for behind each call, and records
// no steps, so that a call's time is its own; what then lies between calls is not a run's as it is. Evaluations call slots as
// they are: nothing is prepared for them (nn/inference.h). Where the CUDA toolkit was found, each call is an NVTX range, too.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/nn/parameter_store.h"

namespace tessera {

struct ProfileCall {
  const char* slot = nullptr;
  int layer = 0;                            // Profile::layers()
  int shape = 0;                            // Profile::shapes(): operands, as "x[32,16,16,64] w[64,3,3,64] y[32,16,16,64]"
  std::int64_t begin = 0, nanoseconds = 0;  // begin: since the profile's
  double bytes = 0;                         // of all operands, each read or written once
  double flop = 0;                          // of products and convolutions, a multiply-add counted as two; 0 of other slots
};

class Profile {
 public:
  // What a profile shows in front of layers by their paths: work that is none's.
  static constexpr const char *input = "(input)", *loss = "(loss)", *update = "(update)", *other = "(other)";

  Profile();
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  // The table in front of `real`, for Device::open; both last as long as the device. Once.
  const Backend& in_front_of(const Backend& real);

  // Whose parameters the operands are: a call belongs to the layer of the parameter among its operands, else to the layer
  // that made what it reads.
  void name(const ParameterStore& parameters);

  // Calls, the first most_calls of them; the sums go on.
  static constexpr std::size_t most_calls = 200'000;
  const std::vector<ProfileCall>& calls() const { return calls_; }
  struct Sum {
    std::string slot, layer, shape;
    std::int64_t calls = 0;
    double seconds = 0, bytes = 0, flop = 0;  // of all calls together
  };
  std::vector<Sum> sums() const;  // the slowest first
  std::int64_t count() const { return count_; }
  const std::vector<std::string>& layers() const { return layers_.names; }
  const std::vector<std::string>& shapes() const { return shapes_.names; }

 private:
  struct Table;
  struct Words {
    std::vector<std::string> names;
    std::map<std::string, int, std::less<>> places;
    int place(const std::string& word);
  };
  struct Made {
    int layer;
    bool backward;  // in a backward pass
  };
  struct Operands;
  template <auto slot, class... Arguments>
  static void watched(kernels::Stream& stream, Arguments... arguments);
  template <auto slot, class Derived, class... Arguments>
  static auto watch(const kernels::SlotFunction<Derived, void(kernels::Stream&, Arguments...)>& real)
      -> void (*)(kernels::Stream&, Arguments...);
  int layer_of(const std::string& slot, const Operands& operands);
  void add(const char* slot, int layer, const Operands& operands, std::int64_t begin, std::int64_t nanoseconds);

  std::unique_ptr<Table> table_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Words layers_, shapes_;
  struct Range {
    std::string path;
    const std::byte* end;
  };
  std::map<const std::byte*, Range> parameters_;  // by where they, their gradients and their rounded copies begin
  std::map<const void*, Made> made_;              // who wrote what lies there
  bool backward_ = false;                         // the pass under way
  std::vector<ProfileCall> calls_;
  std::int64_t count_ = 0;
  struct Total {
    std::int64_t calls = 0, nanoseconds = 0;
    double bytes = 0, flop = 0;
  };
  std::map<std::tuple<std::string, int, int>, Total> totals_;  // by slot, layer, shape
};

// What the machine can do at most, for shares of it. 0 where it is not known.
struct ProfilePeaks {
  double flops = 0;                                    // per second
  std::function<double(double bytes)> bandwidth = {};  // bytes per second, of work on so many
};
// Of a CPU, measured; none of another device.
ProfilePeaks measured_peaks(const Device& device);

// The trace, for Chrome (chrome://tracing) and Perfetto (ui.perfetto.dev): a track of steps, one of layers, one of slots.
// Trace Event Format, complete events ("ph": "X"), times in microseconds.
std::string trace_json(const Profile& profile, const ProfilePeaks& peaks);

// The slowest calls, alike ones together: at most so many rows, for people.
std::string profile_table(const Profile& profile, const ProfilePeaks& peaks, std::size_t rows = 15);

}  // namespace tessera
