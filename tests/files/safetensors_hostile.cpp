// Every rule of the reader, broken once; every cut; and seeded mutations.
#include <chrono>

#include "engine/files/safetensors.h"
#include "kernels/philox.h"
#include "tests/catch.h"
#include "tests/files/safetensors_support.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// The reason a file is refused for, by both ways to read it; empty where it is taken.
std::string refusal(const std::string& file, const TemporaryFolder& folder) {
  const std::string parsed = error_of<WeightsError>([&] { Safetensors::parse(to_bytes(file), "FILE"); });
  const fs::path path = folder / "file";
  put(path, file);
  std::string read = error_of<WeightsError>([&] { Safetensors::read(path); });
  if (const std::size_t at = read.find(path.string()); at != read.npos) read.replace(at, path.string().size(), "FILE");
  CHECK(parsed == read);
  return parsed;
}

}  // namespace

TEST_CASE("hostile safetensors files are refused for the right reason", "[safetensors][hostile]") {
  struct Case {
    const char* what;
    std::string file, reason;
  };
  const std::string f32 = entry("a", "F32", "[2]", 0, 8), eight(8, 'x');
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  std::string many = "{";
  for (int i = 0; i <= 65536; ++i) many += (i > 0 ? "," : "") + entry("t" + std::to_string(i), "U8", "[0]", 0, 0);
  many += "}";

  const Case cases[] = {
      {"empty file", "", "has 0 bytes"},
      {"7 bytes", "1234567", "has 7 bytes"},
      {"length beyond the file", little_endian(3) + "{}", "byte 0: header length 3 does not fit"},
      {"huge length", little_endian(~0ull) + "{}", "header length 18446744073709551615"},
      {"length 2^63", little_endian(1ull << 63) + "{}", "does not fit a file of 10 bytes"},
      {"no header", little_endian(0), "does not begin with '{'"},
      {"error page", "<!DOCTYPE html><html><body>404 Not Found</body></html>", "no safetensors file"},
      {"pickle", std::string("\x80\x02}q\0.aaaaaaaaaaaaaaa", 20), "byte 0: header length"},
      {"leading space", file_of(" {}", ""), "does not begin with '{'"},
      {"array", file_of("[]", ""), "does not begin with '{'"},
      {"byte order mark", file_of("\xef\xbb\xbf{}", ""), "does not begin with '{'"},
      {"newline as padding", file_of("{}\n", ""), "does not end with '}'"},
      {"zero byte as padding", file_of(std::string("{}\0", 3), ""), "zero byte in the header"},
      {"hidden behind a zero byte", file_of(std::string("{}\0{}", 5), ""), "byte 10: zero byte"},
      {"two objects", file_of("{}{}", ""), "not valid JSON"},
      {"comment", file_of("{/**/}", ""), "not valid JSON"},
      {"trailing comma", file_of("{" + f32 + ",}", eight), "not valid JSON"},
      {"cut JSON", file_of("{" + f32.substr(0, f32.size() - 3) + "}", eight), "not valid JSON"},
      {"not UTF-8", file_of("{\"\xff\xfe\":{}}", ""), "not valid JSON"},
      {"NaN", file_of("{\"a\":NaN}", ""), "not valid JSON"},
      {"deep objects", file_of(deep + "}", ""), "header, tensor 'a': has the field 'a', which the format has not"},
      {"deep arrays", file_of("{\"a\":{\"shape\":" + std::string(100'000, '[') + "}}", ""), "an array stands"},
      {"array instead of tensor", file_of("{\"a\":[]}", ""), "an array stands"},
      {"number instead of tensor", file_of("{\"a\":1}", ""), "a number stands"},
      {"null instead of tensor", file_of("{\"a\":null}", ""), "null stands"},
      {"true instead of shape", file_of("{\"a\":{\"shape\":true}}", ""), "true or false stands"},
      {"string as shape", file_of("{\"a\":{\"shape\":\"x\"}}", ""), "a string stands"},
      {"number as dtype", file_of("{\"a\":{\"dtype\":1}}", ""), "a number stands"},
      {"array as dtype", file_of("{\"a\":{\"dtype\":[1]}}", ""), "an array stands"},
      {"object in shape", file_of("{\"a\":{\"shape\":[{}]}}", ""), "an object stands"},
      {"no fields", file_of("{\"a\":{}}", ""), "tensor 'a': lacks dtype"},
      {"no shape", file_of("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "x"), "lacks shape"},
      {"no offsets", file_of("{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", "x"), "lacks data_offsets"},
      {"unknown field", file_of("{\"a\":{\"strides\":[1]}}", ""), "has the field 'strides'"},
      {"field twice", file_of("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"F32\"}}", ""), "has the field 'dtype' twice"},
      {"tensor twice", file_of("{" + f32 + "," + f32 + "}", eight), "has the key 'a' twice"},
      {"metadata twice", file_of("{\"__metadata__\":{},\"__metadata__\":{}}", ""), "'__metadata__' twice"},
      {"metadata key twice", file_of("{\"__metadata__\":{\"k\":\"a\",\"k\":\"b\"}}", ""), "has the key 'k' twice"},
      {"number in metadata", file_of("{\"__metadata__\":{\"k\":1}}", ""), "a number stands"},
      {"object in metadata", file_of("{\"__metadata__\":{\"k\":{}}}", ""), "an object stands"},
      {"metadata a string", file_of("{\"__metadata__\":\"x\"}", ""), "a string stands"},
      {"dtype F8", file_of("{" + entry("a", "F8_E4M3", "[8]", 0, 8) + "}", eight),
       "has dtype 'F8_E4M3', which is not read here"},
      {"dtype unknown", file_of("{" + entry("a", "f32", "[2]", 0, 8) + "}", eight), "has dtype 'f32'"},
      {"dtype with escape sequence", file_of("{" + entry("a", "\\u001b[2J", "[2]", 0, 8) + "}", eight), "'\\x1b[2J'"},
      {"negative extent", file_of("{" + entry("a", "F32", "[-2]", 0, 8) + "}", eight), "a negative number"},
      {"fractional extent", file_of("{" + entry("a", "F32", "[2.0]", 0, 8) + "}", eight), "a fraction"},
      {"exponent", file_of("{" + entry("a", "F32", "[2e0]", 0, 8) + "}", eight), "a fraction"},
      {"extent 2^63", file_of("{" + entry("a", "F32", "[9223372036854775808]", 0, 8) + "}", eight), "beyond 2^63"},
      {"extent 2^64", file_of("{" + entry("a", "F32", "[18446744073709551616]", 0, 8) + "}", eight), "beyond 2^64"},
      {"product overflows", file_of("{" + entry("a", "F32", "[4294967296,4294967296]", 0, 8) + "}", eight), "2^64 bytes"},
      {"product overflows to the right size", file_of("{" + entry("a", "F32", "[4611686018427387906]", 0, 8) + "}", eight),
       "2^64 bytes"},
      {"overflow hidden by a zero", file_of("{" + entry("a", "F32", "[4294967296,4294967296,0]", 0, 0) + "}", ""),
       "2^64 bytes"},
      {"rank 17", file_of("{" + entry("a", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 0, 1) + "}", "x"), "more than 16"},
      {"three offsets", file_of("{\"a\":{\"data_offsets\":[0,1,2]}}", ""), "needs two data_offsets, but has 3"},
      {"no offsets in the array", file_of("{\"a\":{\"data_offsets\":[]}}", ""), "needs two data_offsets, but has 0"},
      {"offsets backwards", file_of("{" + entry("a", "F32", "[2]", 8, 0) + "}", eight), "end before they begin"},
      {"offsets beyond the data", file_of("{" + entry("a", "F32", "[3]", 0, 12) + "}", eight), "go beyond the file"},
      {"offsets of 2^63",
       file_of("{" + entry("a", "U8", "[8]", 9223372036854775799ull, 9223372036854775807ull) + "}", eight),
       "go beyond the file"},
      {"too small for the shape", file_of("{" + entry("a", "F32", "[3]", 0, 8) + "}", eight), "dtype and shape need 12"},
      {"too large for the shape", file_of("{" + entry("a", "F32", "[1]", 0, 8) + "}", eight), "dtype and shape need 4"},
      {"hole at the start", file_of("{" + entry("a", "U8", "[7]", 1, 8) + "}", eight), "leave a hole"},
      {"hole in the middle", file_of("{" + entry("a", "U8", "[3]", 0, 3) + "," + entry("b", "U8", "[4]", 4, 8) + "}", eight),
       "tensor 'b': data_offsets [4, 8) leave a hole; expected to begin at 3"},
      {"bytes behind the last tensor", file_of("{" + entry("a", "U8", "[7]", 0, 7) + "}", eight), "1 bytes of data belong"},
      {"polyglot: no tensors, data", file_of("{}", "PK\3\4"), "4 bytes of data belong to no tensor"},
      {"overlap", file_of("{" + entry("a", "U8", "[5]", 0, 5) + "," + entry("b", "U8", "[4]", 4, 8) + "}", eight),
       "overlap the tensor before"},
      {"same range twice", file_of("{" + f32 + "," + entry("b", "F32", "[2]", 0, 8) + "}", eight),
       "overlap the tensor before"},
      {"65,537 tensors", file_of(many, ""), "at most 65,536 tensors"},
  };
  const TemporaryFolder folder;
  for (const Case& c : cases) {
    const std::string reason = refusal(c.file, folder);
    INFO(c.what << ": " << reason);
    CHECK(reason.starts_with("FILE: "));
    CHECK(reason.find(c.reason) != reason.npos);
    CHECK(reason.size() < 300);
    CHECK(reason.find('\n') == reason.npos);
  }
  CHECK(std::size(cases) >= 60);
}

TEST_CASE("a header longer than 100 MB is refused without being read", "[safetensors][hostile]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "sparse";
  put(path, little_endian(100'000'001));
  fs::resize_file(path, 200'000'000);  // a hole: takes no room on the disk
  CHECK(error_of<WeightsError>([&] { Safetensors::read(path); }).find("header length 100000001") != std::string::npos);
  put(path, little_endian(2) + "{}");
  fs::resize_file(path, (std::uintmax_t{8} << 30) + 1);
  CHECK(error_of<WeightsError>([&] { Safetensors::read(path); }).find("beyond 8 GiB") != std::string::npos);
  CHECK(error_of<WeightsError>([&] { Safetensors::read(folder.path()); }).find("is a folder") != std::string::npos);
  CHECK(error_of<WeightsError>([&] { Safetensors::read(folder / "none"); }).find("No such file") != std::string::npos);
}

TEST_CASE("a file cut at any byte is refused", "[safetensors][hostile]") {
  const std::string header =
      "{\"__metadata__\":{\"k\":\"v\"}," + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "U8", "[3]", 8, 11) + "}  ";
  const std::string file = file_of(header, "12345678abc");
  REQUIRE(error_of<WeightsError>([&] { Safetensors::parse(to_bytes(file), "f"); }).empty());
  for (std::size_t length = 0; length < file.size(); ++length) {
    INFO(length);
    CHECK_THROWS_AS(Safetensors::parse(to_bytes(file.substr(0, length)), "f"), WeightsError);
  }
  // The header length made smaller, the rest left as it is.
  for (std::size_t length = 0; length + 2 < header.size(); ++length) {
    INFO(length);
    CHECK_THROWS_AS(Safetensors::parse(to_bytes(little_endian(length) + file.substr(8)), "f"), WeightsError);
  }
}

TEST_CASE("mutated headers never do more than throw a WeightsError", "[safetensors][fuzz]") {
  constexpr int rounds = 40'000;
  const std::string seeds[] = {"{\"__metadata__\":{\"network\":\"lenet\"}," + entry("a", "F32", "[2]", 0, 8) + "," +
                                   entry("b", "U8", "[2,1]", 8, 10) + "}",
                               "{" + entry("x", "I64", "[]", 0, 8) + "," + entry("y", "BF16", "[1]", 8, 10) + "}   ",
                               "{" + entry("empty", "F64", "[0,3]", 10, 10) + "," + entry("z", "U8", "[10]", 0, 10) + "}"};
  const std::string tokens[] = {"{",
                                "}",
                                "[",
                                "]",
                                ":",
                                ",",
                                "\"",
                                "0",
                                "9",
                                "-",
                                "18446744073709551615",
                                "4294967296",
                                "1e9",
                                "null",
                                "\\u0000",
                                "\"shape\"",
                                "\"dtype\"",
                                "\"data_offsets\"",
                                "\"F32\"",
                                "__metadata__",
                                " "};
  int taken = 0, refused = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < rounds; ++round) {
    std::uint64_t at = 0;
    const auto random = [&](std::size_t below) {
      return kernels::philox(20, kernels::Purpose::test, static_cast<std::uint64_t>(round), at++).v[0] % below;
    };
    std::string header = seeds[random(std::size(seeds))];
    for (std::size_t edits = 1 + random(4); edits > 0 && !header.empty(); --edits) {
      const std::size_t place = random(header.size());
      switch (random(5)) {
        case 0: header[place] = static_cast<char>(random(256)); break;
        case 1: header.erase(place, 1 + random(8)); break;
        case 2: header.insert(place, tokens[random(std::size(tokens))]); break;
        case 3: header.insert(place, header.substr(random(header.size()), 1 + random(40))); break;
        default: header[place] = static_cast<char>(header[place] ^ (1 << random(8)));
      }
    }
    std::string file = file_of(header, "0123456789");
    if (random(8) == 0) file[random(8)] = static_cast<char>(random(256));  // the header length
    try {
      const Safetensors read = Safetensors::parse(to_bytes(file), "f");
      // Taken: then every byte of the data belongs to exactly one tensor, and can be read.
      std::size_t bytes = 0;
      unsigned sum = 0;
      for (const TensorEntry& tensor : read.tensors()) {
        REQUIRE(tensor.bytes.size() == static_cast<std::size_t>(tensor.count()) * size_of(tensor.dtype));
        bytes += tensor.bytes.size();
        for (const std::byte b : tensor.bytes) sum += std::to_integer<unsigned>(b);
      }
      REQUIRE(bytes <= 10);
      REQUIRE(sum <= 10 * '9');
      ++taken;
    } catch (const WeightsError&) {
      ++refused;
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  WARN(rounds << " mutated headers in " << seconds << " s: " << refused << " refused, " << taken << " still valid");
  CHECK(refused > rounds / 2);
  CHECK(taken > 100);  // the mutations reach behind the first check
}
