#include "engine/core/control_groups.h"

#include <fstream>
#include <sstream>

namespace tessera {

void for_each_control_group(const std::string& root, const std::string& own_groups, const std::string& controller,
                            const std::function<void(const std::string&, bool)>& visit) {
  std::istringstream groups(own_groups);
  for (std::string line; std::getline(groups, line);) {  // "0::/user.slice", "4:cpu,cpuacct:/job"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool unified = controllers == ",,";
    if (!unified && controllers.find("," + controller + ",") == std::string::npos) continue;
    for (std::string path = line.substr(second + 1);; path = path.substr(0, path.rfind('/'))) {
      if (path == "/") path.clear();
      visit(root + (unified ? "" : "/" + controller) + path, unified);
      if (path.empty()) break;
    }
  }
}

std::string own_control_groups() {
  std::ostringstream groups;
  groups << std::ifstream("/proc/self/cgroup").rdbuf();
  return groups.str();
}

}  // namespace tessera
