// Walking through a tar archive as it is decompressed. Nothing is ever written to disk, and no name in the archive is used
// as a path.
//
// An archive is a sequence of 512-byte blocks: a header (name 0–99, octal size 124–135, checksum 148–155, kind 156,
// name prefix 345–499), then the member's bytes rounded up to whole blocks; two zero blocks end it.
// Every header's checksum is verified; sizes are octal numbers; what comes out of the decompressor altogether is at most
// 1 GiB. Breaches are DataErrors with the archive, the offset in the decompressed stream, and the reason.
// Source: POSIX.1-2017, pax, "ustar Interchange Format".
#pragma once

#include <array>
#include <optional>
#include <string>

#include "engine/files/gzip.h"

namespace tessera {

struct TarMember {
  enum class Kind : std::uint8_t { file, folder, link, other };  // other: devices, and the notes that tar leaves to itself
  std::string name;
  Kind kind = Kind::file;
  std::uint64_t size = 0;

  std::string base_name() const { return name.substr(name.find_last_of('/') + 1); }
};

class TarGzReader {
 public:
  static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;

  TarGzReader(ByteSpan compressed, const std::string& where);

  // The next member; what is left of the one before is skipped. None at the end of the archive.
  std::optional<TarMember> next();
  // All of the current member. Memory grows with what really comes out.
  Bytes read();

 private:
  [[noreturn]] void broken(const std::string& reason) const;
  void take(std::span<std::byte> to);
  void skip(std::uint64_t count);
  void drain();  // to the end of the compressed stream, where its checksum stands

  std::string where_;
  GzipReader gzip_;
  std::uint64_t offset_ = 0;                // in the decompressed stream
  std::uint64_t unread_ = 0, padding_ = 0;  // of the current member
};

}  // namespace tessera
