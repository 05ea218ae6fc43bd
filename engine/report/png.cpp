#include "engine/report/png.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

namespace tessera {
namespace {

constexpr std::int64_t channels = 3;

void append_be32(Bytes& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift & 0xff));
}

void append(Bytes& out, ByteSpan bytes) {
  const std::size_t end = out.size();
  out.resize(end + bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(end));
}

// Length, type, data, and the CRC of type and data.
void append_chunk(Bytes& out, const char (&type)[5], ByteSpan data) {
  append_be32(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  append(out, bytes_of({type, 4}));
  append(out, data);
  const auto* from = reinterpret_cast<const Bytef*>(out.data() + begin);
  append_be32(out, static_cast<std::uint32_t>(crc32_z(crc32_z(0, nullptr, 0), from, out.size() - begin)));
}

enum Filter : std::uint8_t { none, sub, up, paeth, filter_count };
constexpr std::array<std::uint8_t, filter_count> filter_codes = {0, 1, 2, 4};

// The neighbour (left, above, above left) that is nearest to left + above − above left.
int paeth_of(int left, int above, int corner) {
  const int estimate = left + above - corner;
  const int to_left = std::abs(estimate - left), to_above = std::abs(estimate - above),
            to_corner = std::abs(estimate - corner);
  if (to_left <= to_above && to_left <= to_corner) return left;
  return to_above <= to_corner ? above : corner;
}

int prediction(Filter filter, int left, int above, int corner) {
  switch (filter) {
    case sub: return left;
    case up: return above;
    case paeth: return paeth_of(left, above, corner);
    default: return 0;
  }
}

// Each row becomes a filter's code and the differences from its predictions, by the filter whose differences are smallest in
// sum: what the standard advises (section 12.7). Differences compress better than values.
std::vector<Bytef> filtered(std::int64_t width, std::int64_t height, std::span<const std::uint8_t> rgb) {
  const std::int64_t stride = width * channels;
  const auto at = [&](std::int64_t row, std::int64_t i) {
    return row < 0 || i < 0 ? 0 : static_cast<int>(rgb[static_cast<std::size_t>(row * stride + i)]);
  };
  std::vector<Bytef> out, best, trial(static_cast<std::size_t>(stride) + 1);
  out.reserve(static_cast<std::size_t>(height * (stride + 1)));
  for (std::int64_t row = 0; row < height; ++row) {
    std::int64_t smallest = -1;
    for (int f = none; f < filter_count; ++f) {
      std::int64_t sum = 0;
      trial[0] = filter_codes[static_cast<std::size_t>(f)];
      for (std::int64_t i = 0; i < stride; ++i) {
        const int predicted =
            prediction(static_cast<Filter>(f), at(row, i - channels), at(row - 1, i), at(row - 1, i - channels));
        const auto difference = static_cast<std::uint8_t>(at(row, i) - predicted);
        trial[static_cast<std::size_t>(i) + 1] = difference;
        sum += std::abs(static_cast<int>(static_cast<std::int8_t>(difference)));
      }
      if (smallest < 0 || sum < smallest) smallest = sum, best = trial;
    }
    out.insert(out.end(), best.begin(), best.end());
  }
  return out;
}

Bytes deflated(const std::vector<Bytef>& data) {
  uLongf size = compressBound(static_cast<uLong>(data.size()));
  Bytes out(size);
  // The room suffices, so memory is all that it can want.
  if (compress2(reinterpret_cast<Bytef*>(out.data()), &size, data.data(), static_cast<uLong>(data.size()), 9) != Z_OK)
    throw std::bad_alloc();
  out.resize(size);
  return out;
}

}  // namespace

Bytes encode_png(std::int64_t width, std::int64_t height, std::span<const std::uint8_t> rgb) {
  constexpr std::int64_t limit = 1 << 15;
  if (width < 1 || height < 1 || width > limit || height > limit ||
      static_cast<std::int64_t>(rgb.size()) != width * height * channels)
    throw ShapeError("png: " + std::to_string(rgb.size()) + " bytes are not an image of " + std::to_string(width) + " x " +
                     std::to_string(height) + " RGB pixels");
  Bytes header;
  append_be32(header, static_cast<std::uint32_t>(width));
  append_be32(header, static_cast<std::uint32_t>(height));
  // 8 bits a channel, RGB, deflate, adaptive filters, not interlaced
  for (const int field : {8, 2, 0, 0, 0}) header.push_back(static_cast<std::byte>(field));

  Bytes out;
  append(out, bytes_of("\x89PNG\r\n\x1a\n"));
  append_chunk(out, "IHDR", header);
  append_chunk(out, "IDAT", deflated(filtered(width, height, rgb)));
  append_chunk(out, "IEND", {});
  return out;
}

std::string base64(ByteSpan bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < have ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    for (std::size_t j = 0; j < 4; ++j) text += j <= have ? digits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string png_data_uri(std::int64_t width, std::int64_t height, std::span<const std::uint8_t> rgb) {
  return "data:image/png;base64," + base64(encode_png(width, height, rgb));
}

}  // namespace tessera
