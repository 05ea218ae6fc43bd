#include "engine/core/memory.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "engine/core/control_groups.h"

namespace tessera {

std::uint64_t usable_memory(std::uint64_t machine, const std::string& root, const std::string& own_groups) {
  std::uint64_t bytes = machine;
  for_each_control_group(root, own_groups, "memory", [&](const std::string& folder, bool unified) {
    std::uint64_t limit = 0;  // "max" leaves 0
    if (std::ifstream(folder + (unified ? "/memory.max" : "/memory.limit_in_bytes")) >> limit && limit > 0)
      bytes = std::min(bytes, limit);
  });
  return bytes;
}

std::uint64_t usable_memory() {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return UINT64_MAX;
  return usable_memory((std::uint64_t{info.totalram} + info.totalswap) * info.mem_unit, control_group_root,
                       own_control_groups());
}

void limit_memory() {
  // Counted by the limit is memory that has been asked for, used or not: what is there already comes on top.
  std::uint64_t pages = 0, ignored = 0;  // of private, writable mappings: the sixth number
  std::ifstream("/proc/self/statm") >> ignored >> ignored >> ignored >> ignored >> ignored >> pages;
  const std::uint64_t taken = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)), usable = usable_memory();
  rlimit limit = {};
  if (usable > UINT64_MAX - taken || ::getrlimit(RLIMIT_DATA, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, usable + taken);
  ::setrlimit(RLIMIT_DATA, &limit);
}

}  // namespace tessera
