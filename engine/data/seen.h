// What stands where a data set was looked for: for the message that none was found. Internal to open.cpp.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tessera {

// Data sets one or two folders further down, by path, where downloads and unpacked archives have them; at most eight.
std::vector<std::filesystem::path> data_sets_inside(const std::filesystem::path& folder);

// What is there instead, and what to do about it; empty where nothing speaks.
std::string seen_in_place_of_data(const std::filesystem::path& path);

}  // namespace tessera
