#include "engine/files/remove.h"

#include <ftw.h>

#include <cstdio>

namespace tessera {

void remove_quietly(const std::filesystem::path& path) noexcept {
  constexpr int most_open = 8;
  const auto remove = [](const char* entry, const struct stat*, int, FTW*) {
    std::remove(entry);
    return 0;  // on to the next
  };
  ::nftw(path.c_str(), remove, most_open, FTW_DEPTH | FTW_PHYS);
}

}  // namespace tessera
