// What is written when the program ends: figures on request, and which instructions ran.
#include <cinttypes>
#include <cstdio>

#include "tests/ptx/cudart/driver.h"

namespace tessera::ptx {
namespace {

void print_statistics(const Driver& d) {
  const Machine& m = d.machine;
  std::fprintf(
      stderr,
      "[ptx] %" PRIu64 " launches, %" PRIu64 " recorded nodes, %" PRIu64
      " allocations (peak %.1f MB, %.1f MB at the end); %.1f M "
      "lane instructions, %.1f a warp, in %.2f s\n",
      m.launches, d.captured_nodes, m.memory.allocations(), static_cast<double>(m.memory.peak()) / 1e6,
      static_cast<double>(m.memory.in_use()) / 1e6, static_cast<double>(m.lane_instructions) / 1e6,
      m.warp_instructions ? static_cast<double>(m.lane_instructions) / static_cast<double>(m.warp_instructions) : 0.0,
      m.busy_seconds);
  for (const auto& [name, count] : d.calls) std::fprintf(stderr, "[ptx] %8" PRIu64 " %s\n", count, name.c_str());
  std::size_t queued = 0;
  for (const StreamState* s : d.streams) queued += s->queue.size();
  if (!d.streams.empty() || !d.graphs.empty() || !d.executables.empty())
    std::fprintf(stderr, "[ptx] left at the end: %zu streams with %zu operations, %zu graphs, %zu executable graphs\n",
                 d.streams.size(), queued, d.graphs.size(), d.executables.size());
}

// Lines of scripts/check-ptx: "K launches name", "I hits kernel:line file:line text", "N note".
void append_coverage(Driver& d) {
  std::FILE* const file = std::fopen(d.settings.coverage.c_str(), "a");
  if (!file) return;
  for (auto& [host, f] : d.functions) {
    const bool decoded = f.binary->module && d.function(host);
    std::fprintf(file, "K %" PRIu64 " %s\n", decoded ? f.kernel->launches : 0, f.name.c_str());
    if (!decoded || f.kernel->launches == 0) continue;
    for (std::size_t n = 0; n < f.kernel->code.size(); ++n) {
      const Instruction& i = f.kernel->code[n];
      const std::string source = i.file < f.kernel->files->size() ? (*f.kernel->files)[i.file] : "?";
      std::fprintf(file, "I %" PRIu64 " %s:%zu %s:%u %s\n", i.hits, f.name.c_str(), n, source.c_str(), i.source_line,
                   f.kernel->text[n].c_str());
    }
  }
  for (const std::string& note : d.machine.notes()) std::fprintf(file, "N %s\n", note.substr(0, note.find('\n')).c_str());
  std::fclose(file);
}

}  // namespace

void report(Driver& driver) {
  if (driver.settings.statistics) print_statistics(driver);
  if (!driver.settings.coverage.empty()) append_coverage(driver);
}

}  // namespace tessera::ptx
