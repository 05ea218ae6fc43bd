// Mutations that know the form of what they change, so that an input gets past checksums, lengths and syntax, to the checks
// of what it means. Each takes an input and gives another of at most `most` bytes; where the input has not the form, nothing
// (and libFuzzer's own mutation of bytes is used).
#pragma once

#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "engine/files/io.h"

namespace tessera::fuzz {

using Random = std::minstd_rand;
using Mutation = std::optional<std::string> (*)(std::string_view input, std::size_t most, Random& random);

// One value, key or member of a JSON document changes.
std::optional<std::string> mutate_json(std::string_view input, std::size_t most, Random& random);
// The same of one of several documents with zero bytes between them.
std::optional<std::string> mutate_json_list(std::string_view input, std::size_t most, Random& random);
// The header of a safetensors file, or its data; offsets and lengths are made to fit most of the time.
std::optional<std::string> mutate_safetensors(std::string_view input, std::size_t most, Random& random);
// What is inside a gzip stream.
std::optional<std::string> mutate_gzip(std::string_view input, std::size_t most, Random& random);
// What is inside a tar archive inside a gzip stream; headers get their checksums.
std::optional<std::string> mutate_tar(std::string_view input, std::size_t most, Random& random);
// A PNG; its chunks get their checksums.
std::optional<std::string> mutate_png(std::string_view input, std::size_t most, Random& random);
// An entry of a zip archive; lengths and checksums are made to fit.
std::optional<std::string> mutate_zip(std::string_view input, std::size_t most, Random& random);
// Bytes, by libFuzzer.
std::optional<std::string> mutate_bytes(std::string_view input, std::size_t most, Random& random);

std::string gzip(std::string_view plain);

}  // namespace tessera::fuzz
