#include "engine/files/gzip.h"

#include "tests/catch.h"
#include "tests/deflate.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {
Bytes gzip(const std::string& text) { return to_bytes(tests::deflated(text, tests::Wrapping::gzip)); }
}  // namespace

TEST_CASE("gunzip gives back what was compressed", "[gzip]") {
  std::string text;
  for (std::int64_t i = 0; i < 500'000; ++i) text += std::to_string(i * 7919 % 1000);
  const Bytes file = gzip(text);
  CHECK(is_gzip(file));
  CHECK(text_of(gunzip(file, text.size(), "f", ExitCode::data)) == text);
  CHECK(text_of(gunzip_prefix(file, 100, "f", ExitCode::data)) == text.substr(0, 100));
  CHECK(gunzip(gzip(""), 0, "f", ExitCode::data).empty());

  Bytes two = gzip("one, ");
  const Bytes second = gzip("two");
  two.insert(two.end(), second.begin(), second.end());
  CHECK(text_of(gunzip(two, 100, "f", ExitCode::data)) == "one, two");
}

TEST_CASE("gunzip refuses bombs, cuts, damage and garbage", "[gzip]") {
  const Bytes bomb = gzip(std::string(50'000'000, '\0'));
  CHECK(bomb.size() < 60'000);
  CHECK(error_of<DataError>([&] { gunzip(bomb, 1000, "bomb.gz", ExitCode::data); }) ==
        "bomb.gz: decompresses to more than the 1000 bytes expected");

  const Bytes file = gzip("some text that is compressed");
  for (std::size_t length = 2; length < file.size(); ++length) {
    const ByteSpan cut = ByteSpan(file).first(length);
    CHECK(error_of<DataError>([&] { gunzip(cut, 1000, "f", ExitCode::data); }).find("ends too early") != std::string::npos);
  }
  Bytes damaged = file;
  damaged[file.size() - 6] ^= std::byte{1};  // in the checksum
  CHECK(error_of<DataError>([&] { gunzip(damaged, 1000, "f", ExitCode::data); }).find("damaged") != std::string::npos);
  Bytes longer = file;
  longer.push_back(std::byte{'x'});
  CHECK(error_of<DataError>([&] { gunzip(longer, 1000, "f", ExitCode::data); }).find("garbage behind") != std::string::npos);
}
