// The control groups (cgroups) that a process is in, and those above them: each may limit it.
#pragma once

#include <functional>
#include <string>

namespace tessera {

// Calls visit(folder, unified) for the process's own group of a controller ("cpu", "memory") and for every group above it.
// `folder` is where its files lie, `unified` whether they are those of version 2 (memory.max) or of version 1
// (memory.limit_in_bytes). `root` is the folder where control groups are mounted, `own_groups` the text of /proc/self/cgroup.
void for_each_control_group(const std::string& root, const std::string& own_groups, const std::string& controller,
                            const std::function<void(const std::string& folder, bool unified)>& visit);

// Of this process: "/sys/fs/cgroup" and /proc/self/cgroup.
inline constexpr const char* control_group_root = "/sys/fs/cgroup";
std::string own_control_groups();

}  // namespace tessera
