#include "engine/files/tar.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr std::size_t block = 512, piece = std::size_t{1} << 20;
constexpr std::size_t name_at = 0, name_size = 100, size_at = 124, size_size = 12, checksum_at = 148, checksum_size = 8,
                      kind_at = 156, magic_at = 257, prefix_at = 345, prefix_size = 155;
using Block = std::array<std::byte, block>;
constexpr const char* too_much = "more than 1 GiB comes out of this archive; it is not CIFAR-10";

// Text up to its field's end or the first zero.
std::string text_at(const Block& header, std::size_t at, std::size_t size) {
  const std::string_view field = text_of(header).substr(at, size);
  return std::string(field.substr(0, field.find('\0')));
}

// Octal digits, perhaps with spaces before and spaces or zeros behind them.
std::optional<std::uint64_t> octal_at(const Block& header, std::size_t at, std::size_t size) {
  const std::string field = text_at(header, at, size);
  const std::size_t first = std::min(field.find_first_not_of(' '), field.size());
  const std::size_t last = std::min(field.find(' ', first), field.size());
  std::uint64_t value = 0;
  for (const char c : field.substr(first, last - first)) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');  // at most 12 digits: 36 bits
  }
  if (last == first || field.find_first_not_of(' ', last) != field.npos) return std::nullopt;
  return value;
}

// The sum of all bytes, those of the checksum counted as spaces.
std::uint64_t checksum_of(const Block& header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block; ++i)
    sum += i >= checksum_at && i < checksum_at + checksum_size ? ' ' : std::to_integer<std::uint64_t>(header[i]);
  return sum;
}

TarMember::Kind kind_of(char flag) {
  switch (flag) {
    case '\0':
    case '0':
    case '7': return TarMember::Kind::file;
    case '1':
    case '2': return TarMember::Kind::link;
    case '5': return TarMember::Kind::folder;
    default: return TarMember::Kind::other;
  }
}

bool is_zero(const Block& header) {
  return std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

TarGzReader::TarGzReader(ByteSpan compressed, const std::string& where)
    : where_(where), gzip_(compressed, where, ExitCode::data) {}

void TarGzReader::broken(const std::string& reason) const {
  throw DataError(where_ + ": byte " + std::to_string(offset_) + " after decompression: " + reason);
}

void TarGzReader::take(std::span<std::byte> to) {
  if (to.size() > most_bytes - offset_) broken(too_much);
  const std::size_t got = gzip_.read(to);
  if (got < to.size()) broken("the archive ends too early; it was cut, fetch it again");
  offset_ += got;
}

void TarGzReader::skip(std::uint64_t count) {
  Bytes passed(static_cast<std::size_t>(std::min<std::uint64_t>(count, piece)));
  for (std::uint64_t left = count; left > 0;) {
    const std::size_t now = static_cast<std::size_t>(std::min<std::uint64_t>(left, passed.size()));
    take(std::span(passed).first(now));
    left -= now;
  }
}

void TarGzReader::drain() {
  Bytes passed(piece);
  while (const std::size_t got = gzip_.read(passed)) {
    offset_ += got;
    if (offset_ > most_bytes) broken(too_much);
  }
}

std::optional<TarMember> TarGzReader::next() {
  skip(unread_ + padding_);
  unread_ = padding_ = 0;
  Block header;
  take(header);
  if (is_zero(header)) {
    drain();
    return std::nullopt;
  }
  if (octal_at(header, checksum_at, checksum_size) != checksum_of(header))
    broken("no tar header, or a damaged one (the archive may be something else, or cut and repaired)");
  const std::optional<std::uint64_t> size = octal_at(header, size_at, size_size);
  if (!size) broken("a member whose size is not an octal number");
  if (*size > most_bytes) broken(too_much);

  TarMember member{
      .name = text_at(header, name_at, name_size), .kind = kind_of(static_cast<char>(header[kind_at])), .size = *size};
  if (text_at(header, magic_at, 6) == "ustar")  // elsewhere (GNU's "ustar  ") the field is something else
    if (const std::string prefix = text_at(header, prefix_at, prefix_size); !prefix.empty())
      member.name = prefix + "/" + member.name;
  // Links and folders have no bytes, whatever their size says.
  if (member.kind == TarMember::Kind::link || member.kind == TarMember::Kind::folder) member.size = 0;
  unread_ = member.size;
  padding_ = (block - member.size % block) % block;
  return member;
}

Bytes TarGzReader::read() {
  Bytes bytes;
  while (unread_ > 0) {
    const std::size_t now = static_cast<std::size_t>(std::min<std::uint64_t>(unread_, piece)), have = bytes.size();
    bytes.resize(have + now);
    take(std::span(bytes).subspan(have));
    unread_ -= now;
  }
  return bytes;
}

}  // namespace tessera
