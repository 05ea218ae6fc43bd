#include "kernels/vendor/plan_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

namespace tessera::kernels::vendor {
namespace fs = std::filesystem;
namespace {

constexpr std::uintmax_t largest_file = 16 << 20;

bool is_word(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
}

}  // namespace

PlanCache::PlanCache(fs::path file, std::string identity) : file_(std::move(file)), identity_(std::move(identity)) {
  plans_ = read();
}

std::optional<std::string> PlanCache::find(const std::string& key) const {
  const auto found = plans_.find(key);
  if (found == plans_.end()) return std::nullopt;
  return found->second;
}

void PlanCache::store(const std::string& key, const std::string& plan) {
  if (!is_word(key) || !is_word(plan)) return;  // would not be read back
  plans_[key] = plan;
  if (file_.empty()) return;
  Plans all = read();
  for (const auto& entry : plans_) all.insert_or_assign(entry.first, entry.second);
  write(all);
}

PlanCache::Plans PlanCache::read() const {
  std::error_code error;
  if (file_.empty() || !fs::is_regular_file(file_, error) || fs::file_size(file_, error) > largest_file) return {};
  std::ifstream in(file_);
  std::string line;
  if (!std::getline(in, line) || line != "tessera plans 1: " + identity_) return {};
  Plans plans;
  while (std::getline(in, line)) {
    const auto blank = line.find(' ');
    if (blank == std::string::npos) return {};
    std::string key = line.substr(0, blank), plan = line.substr(blank + 1);
    if (key == "end") return plan == std::to_string(plans.size()) && in.peek() == EOF ? plans : Plans{};
    if (!is_word(key) || !is_word(plan) || !plans.emplace(std::move(key), std::move(plan)).second) return {};
  }
  return {};
}

void PlanCache::write(const Plans& plans) const {
  std::error_code error;
  fs::create_directories(file_.parent_path(), error);
  const fs::path fresh = file_.string() + "." + std::to_string(getpid());
  {
    std::ofstream out(fresh, std::ios::trunc);
    out << "tessera plans 1: " << identity_ << '\n';
    for (const auto& [key, plan] : plans) out << key << ' ' << plan << '\n';
    out << "end " << plans.size() << '\n';
    out.close();
    if (!out) {
      fs::remove(fresh, error);
      return;
    }
  }
  fs::rename(fresh, file_, error);
  if (error) fs::remove(fresh, error);
}

fs::path plan_cache_file(const std::string& identity) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  fs::path folder = variable("XDG_CACHE_HOME");
  if (!folder.is_absolute()) {  // the XDG rule: a relative one is to be ignored
    const std::string home = variable("HOME");
    if (home.empty()) return {};
    folder = fs::path(home) / ".cache";
  }
  std::string name = identity;
  std::ranges::replace_if(
      name, [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'); },
      '-');
  return folder / "tessera" / ("plans-" + name + ".txt");
}

}  // namespace tessera::kernels::vendor
