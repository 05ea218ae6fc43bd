// The manifest of a checkpoint folder: what must be in it for it to be whole. Internal to checkpoint.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/files/io.h"

namespace tessera {

struct Manifest {
  static constexpr int version = 1;
  struct Entry {
    std::uint64_t size = 0;
    std::string sha256;
  };

  std::int64_t step = 0;
  std::string config;  // a JSON object
  std::map<std::string, Entry> files;
};

// {"format": "tessera-checkpoint", "version": 1, "step": N, "config": {…}, "files": {NAME: {"size": N, "sha256": HEX}}}
std::string to_json(const Manifest& manifest);
Manifest parse_manifest(const std::string& json, const std::string& where);

// Is this a name for a file inside a checkpoint folder: no path, not hidden, not the manifest's own?
bool is_plain_name(const std::string& name);

}  // namespace tessera
