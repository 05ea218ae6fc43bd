// How much memory a process may use.
#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// Bytes: the machine's memory and swap, or the least limit of the process's control groups (memory.max,
// memory.limit_in_bytes) where that is less.
std::uint64_t usable_memory();

// The same from given values, for tests; see for_each_control_group.
std::uint64_t usable_memory(std::uint64_t machine, const std::string& control_group_root, const std::string& own_groups);

// Lets every allocation fail that would take this process beyond usable_memory() (RLIMIT_DATA), so that it ends with a
// message, and is not killed by the system together with what else runs there. A lower limit of the user's stays. Not for a
// process that uses a GPU: what its driver maps is counted too.
void limit_memory();

}  // namespace tessera
