#include "bench/cores.h"

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>

#include "bench/timing.h"
#include "kernels/thread_pool.h"
#include "kernels/watched_table.h"

namespace tessera::bench {
namespace {

using namespace kernels;

// A step as it went: pieces of one thread's work, and regions.
struct Piece {
  std::string slot;
  double serial = 0;                // before the region
  std::vector<double> region = {};  // empty: none followed
};

class Recorder {
 public:
  void begin_step() {
    pieces_.clear();
    slot_ = "other";
    last_ = now();
  }
  std::vector<Piece> end_step() {
    close({});
    return std::move(pieces_);
  }
  void enter(const std::string& slot) { change(slot); }
  void leave() { change("other"); }
  void region(std::span<const double> chunks, double whole) {
    last_ += whole;  // what is left up to now was before it
    close({chunks.begin(), chunks.end()});
  }

 private:
  void change(const std::string& slot) {
    close({});
    slot_ = slot;
  }
  void close(std::vector<double> region) {
    const double time = now();
    pieces_.push_back({slot_, std::max(time - last_, 0.0), std::move(region)});
    last_ = time;
  }

  std::vector<Piece> pieces_;
  std::string slot_;
  double last_ = 0;
};

struct Front : Backend {
  Front(const Backend& slots, const Backend& of, Recorder& r) : Backend(slots), real(of), recorder(r) {}
  const Backend& real;
  Recorder& recorder;
};

struct Watching {
  template <auto slot, class... Arguments>
  static void on(Stream& stream, Arguments... arguments) {
    const Front& front = static_cast<const Front&>(stream.backend);
    front.recorder.enter(std::remove_cvref_t<decltype(front.real.*slot)>::name);
    (front.real.*slot)(stream, arguments...);
    front.recorder.leave();
  }
};

}  // namespace

double seconds_on(const std::vector<double>& seconds, int threads) {
  const auto chunks = static_cast<std::int64_t>(seconds.size());
  threads = static_cast<int>(std::min<std::int64_t>(threads, chunks));
  if (threads == 0) return 0;
  struct Share {
    std::int64_t next, end;
  };
  std::vector<Share> shares;
  for (std::int64_t i = 0; i < threads; ++i) shares.push_back({chunks * i / threads, chunks * (i + 1) / threads});
  std::vector<double> free_at(static_cast<std::size_t>(threads), 0.0);
  for (std::int64_t done = 0; done < chunks; ++done) {
    const auto worker = static_cast<std::size_t>(std::ranges::min_element(free_at) - free_at.begin());
    std::size_t share = worker;
    while (shares[share].next == shares[share].end) share = (share + 1) % shares.size();
    free_at[worker] += seconds[static_cast<std::size_t>(shares[share].next++)];
  }
  return *std::ranges::max_element(free_at);
}

CoresReport simulate_cores(const NetworkEntry& entry, const WorkloadOptions& options, DeviceRequest request, int threads) {
  constexpr int warm_up = 2, steps = 5;
  request.options.threads = 1;
  Recorder recorder;
  const Backend& cpu = *find_backend("cpu");
  const Front table(watched_table<Watching>(cpu), cpu, recorder);
  const std::shared_ptr<Device> device = Device::open(request, table);
  WorkloadOptions as_it_is = options;
  as_it_is.record = false;  // no list of calls stands between the table and the kernels
  Workload workload(entry, device, as_it_is);
  for (int i = 0; i < warm_up; ++i) workload.issue();
  device->stream().threads->observe([&](std::span<const double> chunks, double whole) { recorder.region(chunks, whole); });
  std::vector<Piece> least;
  for (int i = 0; i < steps; ++i) {
    recorder.begin_step();
    workload.issue();
    const std::vector<Piece> pieces = recorder.end_step();
    if (least.empty()) least = pieces;
    if (pieces.size() != least.size()) throw std::runtime_error("two steps are not of the same kernels");
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      least[p].serial = std::min(least[p].serial, pieces[p].serial);
      for (std::size_t c = 0; c < pieces[p].region.size(); ++c)
        least[p].region[c] = std::min(least[p].region[c], pieces[p].region[c]);
    }
  }
  device->stream().threads->observe({});

  CoresReport report;
  std::map<std::string, CoresRow> rows;
  std::map<std::string, double> stretch;
  double length = 0;
  for (const Piece& piece : least) {
    CoresRow& row = rows[piece.slot];
    row.slot = piece.slot;
    double chunks = 0;
    for (const double s : piece.region) chunks += s;
    const double many = seconds_on(piece.region, threads);
    row.one += piece.serial + chunks, row.many += piece.serial + many, row.serial += piece.serial;
    report.one += piece.serial + chunks, report.many += piece.serial + many, report.serial += piece.serial;
    length += piece.serial, stretch[piece.slot] += piece.serial;
    if (length > report.longest_serial) {
      report.longest_serial = length;
      report.longest_in = std::ranges::max_element(stretch, {}, [](const auto& s) { return s.second; })->first;
    }
    if (!piece.region.empty()) length = 0, stretch.clear();
  }
  for (auto& [_, row] : rows) report.rows.push_back(row);
  std::ranges::sort(report.rows, std::greater(), &CoresRow::many);
  return report;
}

}  // namespace tessera::bench
