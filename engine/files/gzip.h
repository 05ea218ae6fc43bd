// Decompressing gzip (RFC 1952) held in memory, never to more than a given size.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/files/io.h"

namespace tessera {

bool is_gzip(ByteSpan bytes);

// Piece by piece, for what is too large to be held as a whole. `compressed` must outlive it.
class GzipReader {
 public:
  GzipReader(ByteSpan compressed, const std::string& where, ExitCode on_error);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  // Fills `to` as far as there is something; returns how many bytes. Damage is an error.
  std::size_t read(std::span<std::byte> to);

 private:
  class Inflater;
  std::unique_ptr<Inflater> inflater_;
};

// The first `count` bytes of what is inside (fewer only where there are fewer).
Bytes gunzip_prefix(ByteSpan compressed, std::uint64_t count, const std::string& where, ExitCode on_error);

// All of it; more than `limit` bytes, damage and trailing garbage are errors. Memory grows with what really comes out.
Bytes gunzip(ByteSpan compressed, std::uint64_t limit, const std::string& where, ExitCode on_error);

}  // namespace tessera
