// Removal of what nobody needs any more.
#pragma once

#include <filesystem>

namespace tessera {

// Removes a file, or a folder with all that is in it, as far as that can be done; links are not followed. It needs no memory
// that could be wanting: it may be called while an error is on its way.
void remove_quietly(const std::filesystem::path& path) noexcept;

}  // namespace tessera
