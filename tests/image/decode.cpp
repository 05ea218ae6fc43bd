#include "engine/image/decode.h"

#include "engine/image/resize.h"
#include "engine/report/png.h"
#include "tests/catch.h"
#include "tests/image/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

using Pixels = std::vector<std::uint8_t>;

Pixels decoded(const std::string& file) { return decode_image(bytes_of(file), "picture").pixels; }
std::string refusal(const std::string& file) {
  return error_of<DataError>([&] { decoded(file); });
}

const std::string zero(1, '\0');

// 16x8: the left half (200,40,40), the right half (31,60,200).
std::string two_colours() {
  const std::string hex =
      "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e"
      "1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffdb0043010909090c0b0c180d0d1832211c213232"
      "323232323232323232323232323232323232323232323232323232323232323232323232323232323232323232323232ffc00011080008"
      "001003011100021101031101ffc4001500010100000000000000000000000000000506ffc4001410010000000000000000000000000000"
      "0000ffc4001501010100000000000000000000000000000705ffc40014110100000000000000000000000000000000ffda000c03010002"
      "110311003f009747238a2d885fffd9";
  std::string file;
  for (std::size_t i = 0; i < hex.size(); i += 2) file += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return file;
}

}  // namespace

TEST_CASE("what is neither PNG nor JPEG is refused by its first bytes", "[decode]") {
  for (const char* file : {"", "<html>404 Not Found</html>", "GIF89a", "BM", "\x89PNG", "\xff\xd8"})
    CHECK_FALSE(refusal(file).empty());
  CHECK(refusal("GIF89a").find("neither a PNG nor a JPEG, but a GIF; convert it") != std::string::npos);
  CHECK(refusal(std::string("\0\0\0\x18"
                            "ftypheic",
                            12))
            .find("but a HEIC; convert it") != std::string::npos);
  CHECK(refusal("RIFFxxxxWEBPVP8 ").find("but a WebP") != std::string::npos);
  CHECK_THROWS_AS(read_image("/nonexistent.png"), DataError);
  CHECK(has_image_name("a.PNG"));
  CHECK(has_image_name("b/c.jpeg"));
  CHECK_FALSE(has_image_name("a.png.txt"));
}

#if TESSERA_HAS_PNG

TEST_CASE("every kind of PNG becomes 8-bit RGB", "[png]") {
  CHECK(decoded(png_header(2, 1, 8, 2) + png_end(zero + "\x01\x02\x03\xfd\xfe\xff")) == Pixels{1, 2, 3, 253, 254, 255});
  CHECK(decoded(png_header(2, 1, 8, 6) + png_end(zero + "\x01\x02\x03\x04\x05\x06\x07\x08")) == Pixels{1, 2, 3, 5, 6, 7});
  CHECK(decoded(png_header(2, 1, 8, 0) + png_end(zero + "\x07\xf0")) == Pixels{7, 7, 7, 240, 240, 240});
  CHECK(decoded(png_header(1, 1, 8, 4) + png_end(zero + "\x07\x01")) == Pixels{7, 7, 7});
  CHECK(decoded(png_header(2, 1, 1, 0) + png_end(zero + "\x40")) == Pixels{0, 0, 0, 255, 255, 255});
  CHECK(decoded(png_header(2, 1, 4, 0) + png_end(zero + "\x1f")) == Pixels{17, 17, 17, 255, 255, 255});
  CHECK(decoded(png_header(1, 1, 16, 2) + png_end(zero + "\x01\xff\x02\xff\x03\xff")) == Pixels{1, 2, 3});
  CHECK(decoded(png_header(1, 1, 16, 0) + png_end(zero + "\x80\xff")) == Pixels{128, 128, 128});
  const std::string palette = chunk("PLTE", "\x0a\x14\x1e\x28\x32\x3c");
  CHECK(decoded(png_header(2, 1, 8, 3) + palette + png_end(zero + "\x01" + zero)) == Pixels{40, 50, 60, 10, 20, 30});
  CHECK(decoded(png_header(2, 1, 8, 3) + palette + chunk("tRNS", zero) + png_end(zero + "\x01" + zero)) ==
        Pixels{40, 50, 60, 10, 20, 30});
  CHECK(decoded(png_header(1, 1, 8, 0) + chunk("tRNS", zero + "\x07") + png_end(zero + "\x07")) == Pixels{7, 7, 7});
  // Interlaced, 1x2: pass 1 has the first row, pass 5 the second.
  CHECK(decoded(png_header(1, 2, 8, 0, 1) + png_end(zero + "\x05" + zero + "\x09")) == Pixels{5, 5, 5, 9, 9, 9});
}

TEST_CASE("what encode_png writes is read back", "[png]") {
  Pixels rgb;
  for (int i = 0; i < 37 * 11 * 3; ++i) rgb.push_back(static_cast<std::uint8_t>(i * 31));
  const Bytes file = encode_png(37, 11, rgb);
  const Image image = decode_image(file, "picture");
  CHECK((image.width == 37 && image.height == 11));
  CHECK(image.pixels == rgb);
  for (std::size_t length = 8; length < file.size(); ++length)
    CHECK(error_of<DataError>([&] { decode_image(std::span(file).first(length), "cut"); }).find("damaged PNG") !=
          std::string::npos);
  int refused = 0;
  for (std::size_t i = 8; i < file.size(); ++i) {
    Bytes changed = file;
    changed[i] ^= std::byte{0x10};
    try {
      decode_image(changed, "changed");
    } catch (const DataError&) {
      ++refused;
    }
  }
  CHECK(refused > static_cast<int>(file.size()) / 2);  // every chunk that matters has a checksum
}

TEST_CASE("a picture is resized while it is decoded to the same bytes as afterwards", "[png][resize]") {
  Pixels rgb;
  for (int i = 0; i < 61 * 40 * 3; ++i) rgb.push_back(static_cast<std::uint8_t>(i * 31 + i / 7));
  const std::string file(text_of(encode_png(61, 40, rgb)));
  const std::size_t header_end = png_header(61, 40, 8, 2).size();
  for (int number = 1; number <= 8; ++number) {
    const std::string tiff = std::string("MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) +
                             static_cast<char>(number) + std::string(6, '\0');
    const std::string tagged = file.substr(0, header_end) + chunk("eXIf", tiff) + file.substr(header_end);
    const Image whole = decode_image(bytes_of(tagged), "picture");
    CHECK((whole.width == (number < 5 ? 61 : 40) && whole.height == (number < 5 ? 40 : 61)));
    for (const auto& [height, width] : {std::pair{32, 32}, {7, 90}, {61, 40}, {1, 1}, {100, 3}}) {
      INFO(number << ": " << height << "x" << width);
      const ResizedImage resized = decode_resized(bytes_of(tagged), "picture", height, width);
      CHECK(resized.image.pixels == resize_bicubic(whole, height, width).pixels);
      CHECK((resized.image.height == height && resized.image.width == width));
      CHECK((resized.height == whole.height && resized.width == whole.width));
    }
  }
  CHECK(decode_resized(bytes_of(file), "picture", 80, 122).keeps_aspect());
  CHECK_FALSE(decode_resized(bytes_of(file), "picture", 32, 32).keeps_aspect());
  const std::atomic<bool> stop = true;
  CHECK_THROWS_AS(decode_image(bytes_of(file), "picture", &stop), Interrupted);
}

TEST_CASE("a picture of 100 megapixels is resized in the memory of a few rows", "[png][resize]") {
  const std::uint32_t side = 10240;
  const std::string row = zero + std::string(side / 2, '\x40') + std::string(side / 2, '\xc0');
  std::string rows;
  for (std::uint32_t y = 0; y < side; ++y) rows += row;
  const std::string file = png_header(side, side, 8, 0) + png_end(rows);
  CHECK(refusal(file).find("10240x10240 pixels") != std::string::npos);  // whole, it would be 300 MB
  const ResizedImage small = decode_resized(bytes_of(file), "picture", 32, 32);
  CHECK((small.width == side && small.height == side));
  bool right = true;
  for (std::size_t i = 0; i < small.image.pixels.size(); ++i) {
    const std::size_t x = i / 3 % 32;
    if (x < 14) right = right && small.image.pixels[i] == 0x40;
    if (x >= 18) right = right && small.image.pixels[i] == 0xc0;
  }
  CHECK(right);
}

TEST_CASE("hostile PNGs are refused before memory is allocated", "[png][hostile]") {
  const std::string row = zero + "\x01\x02\x03";
  struct Case {
    const char* what;
    std::string file, reason;
  };
  const Case cases[] = {
      {"60000x60000", png_header(60000, 60000, 8, 2) + png_end(row), "60000x60000 pixels"},
      {"8193x8192, interlaced", png_header(8193, 8192, 8, 2, 1) + png_end(row), "8193x8192 pixels"},
      {"65536 wide", png_header(65536, 1, 8, 2) + png_end(row), "65536x1 pixels"},
      {"8193x8192", png_header(8193, 8192, 8, 2) + png_end(row), "8193x8192 pixels"},
      {"2147483647 wide", png_header(0x7fffffff, 1, 8, 2) + png_end(row), "2147483647x1 pixels"},
      {"2147483647 both ways", png_header(0x7fffffff, 0x7fffffff, 16, 6) + png_end(row), "pixels"},
      {"4294967295 wide", png_header(0xffffffff, 1, 8, 2) + png_end(row), "damaged PNG"},
      {"no width", png_header(0, 1, 8, 2) + png_end(row), "damaged PNG"},
      {"no height", png_header(1, 0, 8, 2) + png_end(row), "damaged PNG"},
      {"3 bits", png_header(1, 1, 3, 0) + png_end(row), "damaged PNG"},
      {"kind 5", png_header(1, 1, 8, 5) + png_end(row), "damaged PNG"},
      {"a palette image without palette", png_header(1, 1, 8, 3) + png_end(zero + "\x01"), "damaged PNG"},
      {"a palette of 257", png_header(1, 1, 8, 3) + chunk("PLTE", std::string(257 * 3, 'x')) + png_end(zero + "\x01"),
       "damaged PNG"},
      {"wrong checksum of the header", png_header(1, 1, 8, 2).replace(20, 1, "x") + png_end(row), "damaged PNG"},
      {"no header", png_signature + png_end(row), "damaged PNG"},
      {"only a signature", png_signature, "ends too early"},
      {"no pixels", png_header(1, 1, 8, 2) + chunk("IEND", ""), "damaged PNG"},
      {"too few pixels", png_header(1, 2, 8, 2) + png_end(row), "damaged PNG"},
      {"pixels that do not decompress", png_header(1, 1, 8, 2) + chunk("IDAT", "garbage") + chunk("IEND", ""),
       "damaged PNG"},
      {"filter 9", png_header(1, 1, 8, 2) + png_end("\x09\x01\x02\x03"), "damaged PNG"},
      {"an unknown critical chunk", png_header(1, 1, 8, 2) + chunk("EVIL", "x") + png_end(row), "damaged PNG"},
      {"no end", png_header(1, 1, 8, 2) + chunk("IDAT", deflated(row)), "ends too early"},
      {"a chunk of 2 GiB", png_header(1, 1, 8, 2) + big_endian(0x7fffffff) + "IDATx", "damaged PNG"},
      {"a chunk of 4 GiB", png_header(1, 1, 8, 2) + big_endian(0xffffffff) + "IDATx", "damaged PNG"},
  };
  for (const Case& c : cases) {
    const std::string error = refusal(c.file);
    INFO(c.what << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.find("picture: ") == 0);
    CHECK(error.find('\n') == error.npos);
  }
}

TEST_CASE("large notes in a PNG are passed over", "[png][hostile]") {
  const std::string head = png_header(1, 1, 8, 2), end = png_end(zero + "\x01\x02\x03");
  CHECK(decoded(head + chunk("tEXt", "Comment" + zero + std::string(20 << 20, 'x')) + end) == Pixels{1, 2, 3});
  // 64 MiB of text and of colour profile behind a few kB.
  const std::string bomb = deflated(std::string(64 << 20, 'x'));
  CHECK(decoded(head + chunk("zTXt", "Comment" + zero + zero + bomb) + end) == Pixels{1, 2, 3});
  CHECK(decoded(head + chunk("iCCP", "profile" + zero + zero + bomb) + end) == Pixels{1, 2, 3});
  std::string many;
  for (int i = 0; i < 10000; ++i) many += chunk("tEXt", "k" + zero + "v");
  CHECK(decoded(head + many + end) == Pixels{1, 2, 3});
}

#else

TEST_CASE("a build without libpng says what to install", "[png]") {
  try {
    decoded(png_header(1, 1, 8, 2));
    FAIL("read");
  } catch (const Error& error) {
    CHECK(error.code == ExitCode::failure);
    CHECK(std::string(error.what()).find("libpng-dev") != std::string::npos);
  }
}

#endif

#if TESSERA_HAS_JPEG

TEST_CASE("a JPEG becomes RGB", "[jpeg]") {
  const Image image = decode_image(bytes_of(two_colours()), "picture");
  REQUIRE((image.width == 16 && image.height == 8));
  bool right = true;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const Pixels expected = i / 3 % 16 < 8 ? Pixels{200, 40, 40} : Pixels{31, 60, 200};
    right = right && image.pixels[i] == expected[i % 3];
  }
  CHECK(right);
}

TEST_CASE("a JPEG cut at any byte is refused", "[jpeg][hostile]") {
  const std::string file = two_colours();
  REQUIRE(file.ends_with("\xff\xd9"));
  for (std::size_t length = 3; length < file.size(); ++length) {
    INFO(length);
    CHECK(refusal(file.substr(0, length)).find("damaged JPEG") != std::string::npos);
  }
}

TEST_CASE("a JPEG changed anywhere is refused or decoded, nothing else", "[jpeg][hostile]") {
  const std::string file = two_colours();
  int refused = 0;
  for (std::size_t i = 3; i < file.size(); ++i)
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string changed = file;
      changed[i] = static_cast<char>(changed[i] ^ change);
      refused += !refusal(changed).empty();
    }
  CHECK(refused > 200);
}

TEST_CASE("hostile JPEGs are refused before memory is allocated", "[jpeg][hostile]") {
  const std::string file = two_colours();
  const std::size_t frame = file.find("\xff\xc0");
  REQUIRE(frame != file.npos);
  const auto sized = [&](const std::string& height_and_width) {
    return std::string(file).replace(frame + 5, 4, height_and_width);
  };
  CHECK(refusal(sized("\xff\xdc\xff\xdc")).find("65500x65500 pixels") != std::string::npos);
  CHECK(refusal(sized("\xff\xff\xff\xff")).find("damaged JPEG") != std::string::npos);  // libjpeg takes 65500 at most
  CHECK_FALSE(refusal(sized(std::string(4, '\0'))).empty());
  CHECK_FALSE(refusal(sized(std::string("\x0f\xff\x0f\xff"))).empty());  // large, with pixels for 16x8
}

TEST_CASE("photos are turned upright by their EXIF orientation", "[jpeg][exif]") {
  const auto tagged = [](const std::string& tiff) {
    const std::string data = "Exif" + zero + zero + tiff;
    const std::size_t size = data.size() + 2;
    return "\xff\xd8\xff\xe1" + std::string{static_cast<char>(size >> 8), static_cast<char>(size)} + data +
           two_colours().substr(2);
  };
  const auto little = [](int number) {  // one entry: tag 0x0112, type 3, one value
    return std::string("II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18) + static_cast<char>(number) +
           std::string(7, '\0');
  };
  const auto big = [](int number) {
    return std::string("MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) + static_cast<char>(number) +
           std::string(6, '\0');
  };
  const auto sides = [&](const std::string& file) {  // "left red" or "top red", or the other way round
    const Image image = decode_image(bytes_of(file), "picture");
    const bool wide = image.width == 16;
    return std::string(wide ? "left " : "top ") + (image.pixels[0] == 200 ? "red" : "blue");
  };
  const char* expected[] = {"left red", "left red", "left blue", "left blue", "left red",
                            "top red",  "top red",  "top blue",  "top blue",  "left red"};
  for (int number = 0; number < 10; ++number) {
    INFO(number);
    CHECK(sides(tagged(little(number))) == expected[number]);
    CHECK(sides(tagged(big(number))) == expected[number]);
  }
  // Notes that are not sane leave the photo as it is.
  const std::string good = little(3);
  for (std::size_t length = 0; length < 20; ++length) CHECK(sides(tagged(good.substr(0, length))) == "left red");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = '\xff';
    CHECK_NOTHROW(sides(tagged(changed)));
  }
}

#else

TEST_CASE("a build without libjpeg says what to install", "[jpeg]") {
  try {
    decoded(two_colours());
    FAIL("read");
  } catch (const Error& error) {
    CHECK(error.code == ExitCode::failure);
    CHECK(std::string(error.what()).find("libjpeg-dev") != std::string::npos);
  }
}

#endif
