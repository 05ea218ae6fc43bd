// PNG files read back by a decoder written from the standard, and base64 against the RFC's own examples.
#include "engine/report/png.h"
#include "tests/catch.h"

#include <zlib.h>

using namespace tessera;

namespace {

std::uint32_t be32(const Bytes& file, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(file.at(at + i));
  return value;
}

struct Chunk {
  std::string type;
  Bytes data;
};

// The chunks in order; every CRC must be right and nothing may lie behind IEND.
std::vector<Chunk> chunks_of(const Bytes& file) {
  REQUIRE(text_of(ByteSpan(file).subspan(0, 8)) == "\x89PNG\r\n\x1a\n");
  std::vector<Chunk> chunks;
  for (std::size_t at = 8; at < file.size();) {
    const std::uint32_t length = be32(file, at);
    const ByteSpan typed = ByteSpan(file).subspan(at + 4, 4 + length);
    CHECK(be32(file, at + 8 + length) == crc32(0, reinterpret_cast<const Bytef*>(typed.data()), length + 4));
    chunks.push_back({std::string(text_of(typed.subspan(0, 4))), Bytes(typed.begin() + 4, typed.end())});
    at += 12 + length;
  }
  return chunks;
}

std::vector<std::uint8_t> decode(const Bytes& file, std::int64_t width, std::int64_t height) {
  const std::vector<Chunk> chunks = chunks_of(file);
  REQUIRE(chunks.size() == 3);
  REQUIRE(chunks[0].type == "IHDR");
  REQUIRE(chunks[0].data.size() == 13);
  CHECK(be32(chunks[0].data, 0) == width);
  CHECK(be32(chunks[0].data, 4) == height);
  const Bytes tail = {std::byte{8}, std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
  CHECK(Bytes(chunks[0].data.begin() + 8, chunks[0].data.end()) == tail);
  REQUIRE(chunks[1].type == "IDAT");
  REQUIRE(chunks[2].type == "IEND");

  const auto stride = static_cast<std::size_t>(width * 3);
  std::vector<std::uint8_t> rows((stride + 1) * static_cast<std::size_t>(height));
  uLongf size = rows.size();
  REQUIRE(uncompress(rows.data(), &size, reinterpret_cast<const Bytef*>(chunks[1].data.data()), chunks[1].data.size()) ==
          Z_OK);
  REQUIRE(size == rows.size());

  std::vector<std::uint8_t> rgb(stride * static_cast<std::size_t>(height));
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    const std::uint8_t filter = rows[y * (stride + 1)];
    for (std::size_t x = 0; x < stride; ++x) {
      const int a = x >= 3 ? rgb[y * stride + x - 3] : 0, b = y ? rgb[(y - 1) * stride + x] : 0;
      const int c = x >= 3 && y ? rgb[(y - 1) * stride + x - 3] : 0;
      const int pa = std::abs(b - c), pb = std::abs(a - c), pc = std::abs(a + b - 2 * c);
      const int paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
      const int predictions[] = {0, a, b, (a + b) / 2, paeth};
      REQUIRE(filter <= 4);
      rgb[y * stride + x] = static_cast<std::uint8_t>(rows[y * (stride + 1) + 1 + x] + predictions[filter]);
    }
  }
  return rgb;
}

}  // namespace

TEST_CASE("an image comes back from its PNG") {
  for (const std::int64_t width : {1, 2, 3, 31, 32})
    for (const std::int64_t height : {1, 2, 33}) {
      INFO(width << " x " << height);
      std::vector<std::uint8_t> noise, ramp, flat(static_cast<std::size_t>(width * height * 3), 200);
      std::uint32_t random = 7;
      for (std::int64_t i = 0; i < width * height * 3; ++i) {
        random = random * 1664525 + 1013904223;
        noise.push_back(static_cast<std::uint8_t>(random >> 24));
        ramp.push_back(static_cast<std::uint8_t>(i / 3 * 5 + i % 3));
      }
      for (const auto& image : {noise, ramp, flat}) CHECK(decode(encode_png(width, height, image), width, height) == image);
    }
}

TEST_CASE("smooth images become small") {
  std::vector<std::uint8_t> ramp;
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x)
      for (int c = 0; c < 3; ++c) ramp.push_back(static_cast<std::uint8_t>(2 * x + y + 20 * c));
  CHECK(encode_png(64, 64, ramp).size() < ramp.size() / 20);
}

TEST_CASE("sizes that do not fit the pixels are refused") {
  const std::vector<std::uint8_t> pixels(12);
  CHECK_NOTHROW(encode_png(2, 2, pixels));
  for (const auto& [width, height] : {std::pair{2, 3}, std::pair{0, 2}, std::pair{-2, -2}, std::pair{1 << 20, 1}})
    CHECK_THROWS_AS(encode_png(width, height, pixels), ShapeError);
}

TEST_CASE("base64: the examples of RFC 4648, section 10, and all digits") {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, encoded] : examples) CHECK(base64(bytes_of(text)) == encoded);
  CHECK(base64(bytes_of("\xff\xff\xfe\xfb\xff")) == "///++/8=");
  const std::vector<std::uint8_t> black(3);
  CHECK(png_data_uri(1, 1, black) == "data:image/png;base64," + base64(encode_png(1, 1, black)));
}
