// Decompressing gzip (RFC 1952) held in memory, never to more than a given size.
#pragma once

#include <cstdint>
#include <string>

#include "engine/files/io.h"

namespace tessera {

bool is_gzip(ByteSpan bytes);

// The first `count` bytes of what is inside (fewer only where there are fewer).
Bytes gunzip_prefix(ByteSpan compressed, std::uint64_t count, const std::string& where, ExitCode on_error);

// All of it; more than `limit` bytes, damage and trailing garbage are errors. Memory grows with what really comes out.
Bytes gunzip(ByteSpan compressed, std::uint64_t limit, const std::string& where, ExitCode on_error);

}  // namespace tessera
