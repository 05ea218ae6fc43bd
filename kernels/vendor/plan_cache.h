// What searches have found, kept on disk so that a machine searches once: names of plans by names of problems.
//
// One text file for each GPU and pair of library versions (plan_cache_file), since a plan is the fastest there only:
//   tessera plans 1: <identity>
//   <key> <plan>                one line each, sorted, neither with blanks
//   end <number of lines between>
// A file that is not exactly this (another version, another identity, cut short, edited by hand) counts as empty and is
// rewritten by the next store. Writing is atomic (a file of its own, then a rename) and joins what other processes have
// stored meanwhile. A folder that cannot be written costs the search again next time, nothing else.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace tessera::kernels::vendor {

class PlanCache {
 public:
  // An empty path: nothing is kept.
  PlanCache(std::filesystem::path file, std::string identity);

  std::optional<std::string> find(const std::string& key) const;
  void store(const std::string& key, const std::string& plan);

 private:
  using Plans = std::map<std::string, std::string>;
  Plans read() const;
  void write(const Plans& plans) const;

  std::filesystem::path file_;
  std::string identity_;
  Plans plans_;
};

// $XDG_CACHE_HOME/tessera/plans-<identity>.txt, below ~/.cache where that is not set; empty where there is no home either.
std::filesystem::path plan_cache_file(const std::string& identity);

}  // namespace tessera::kernels::vendor
