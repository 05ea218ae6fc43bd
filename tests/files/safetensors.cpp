#include "engine/files/safetensors.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/catch.h"
#include "tests/files/safetensors_support.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

template <class T>
constexpr ElementType type_of = ElementType::u8;
template <>
constexpr ElementType type_of<float> = ElementType::f32;
template <>
constexpr ElementType type_of<double> = ElementType::f64;
template <>
constexpr ElementType type_of<std::int32_t> = ElementType::i32;
template <>
constexpr ElementType type_of<std::int64_t> = ElementType::i64;

template <class T>
TensorEntry tensor(const std::string& name, const std::vector<std::int64_t>& shape, const std::vector<T>& values) {
  return {name, type_of<T>, shape, std::as_bytes(std::span(values))};
}

}  // namespace

TEST_CASE("tensors and metadata come back as they were written", "[safetensors]") {
  const TemporaryFolder folder;
  const std::vector<float> weights = {1.5f, -2.0f, 3.25f, 0.0f, 5.0f, -0.0f}, scalar = {7.0f}, none;
  const std::vector<double> precise = {0.1, 0.2};
  const std::vector<std::int64_t> count = {123456789012345};
  const std::vector<std::uint8_t> bytes = {1, 2, 3};
  const std::vector<std::int32_t> small = {-1};
  const std::vector<TensorEntry> tensors = {tensor("u8", {3}, bytes),
                                            tensor("conv1.weight", {3, 2, 1, 1}, weights),
                                            tensor("scalar", {}, scalar),
                                            tensor("f64", {2}, precise),
                                            tensor("bn.num", {}, count),
                                            tensor("empty", {0, 5}, none),
                                            tensor("ünïcode \"quoted\"", {1}, small),
                                            {"half", ElementType::bf16, {1}, std::as_bytes(std::span(bytes).first(2))}};
  const Metadata metadata = {{"network", "lenet"}, {"format", "pt"}};
  write_safetensors(folder / "w", tensors, metadata);
  CHECK(get(folder / "w") == text_of(encode_safetensors(tensors, metadata)));

  const Safetensors file = Safetensors::read(folder / "w");
  CHECK(file.metadata() == metadata);
  REQUIRE(file.tensors().size() == tensors.size());
  const Safetensors parsed = Safetensors::parse(encode_safetensors(tensors, metadata), "memory");
  for (const TensorEntry& expected : tensors) {
    for (const Safetensors* reader : {&file, &parsed}) {
      const TensorEntry& got = reader->at(expected.name);
      INFO(expected.name);
      CHECK(got.dtype == expected.dtype);
      CHECK(got.shape == expected.shape);
      CHECK(text_of(got.bytes) == text_of(expected.bytes));
      CHECK(static_cast<std::size_t>(got.bytes.data() - reader->tensors()[0].bytes.data()) % size_of(got.dtype) == 0);
    }
  }
  CHECK(file.find("nothing") == nullptr);
  CHECK(error_of<WeightsError>([&] { file.at("nothing"); }).find("has no tensor 'nothing'") != std::string::npos);
}

TEST_CASE("the bytes depend on the tensors alone, not on their order", "[safetensors]") {
  const std::vector<float> values = {1, 2};
  const std::vector<std::int64_t> number = {3};
  const TensorEntry a = tensor("a", {2}, values), b = tensor("b", {2}, values), n = tensor("n", {}, number);
  const std::vector<TensorEntry> one = {a, b, n}, two = {n, b, a};
  const Bytes bytes = encode_safetensors(one, {{"k", "v"}});
  CHECK(bytes == encode_safetensors(two, {{"k", "v"}}));
  const std::string header =
      R"({"__metadata__":{"k":"v"},"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"b":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(text_of(bytes).substr(0, 8 + padded.size()) == little_endian(padded.size()) + padded);
  CHECK(bytes.size() == 8 + padded.size() + 24);
}

TEST_CASE("what cannot be written is refused", "[safetensors]") {
  const std::vector<float> values = {1, 2};
  const auto encode = [](const std::vector<TensorEntry>& tensors, const Metadata& metadata = {}) {
    return error_of<ShapeError>([&] { encode_safetensors(tensors, metadata); });
  };
  CHECK(encode({tensor("a", {3}, values)}).find("8 bytes given, but dtype and shape need 12") != std::string::npos);
  const TemporaryFolder folder;
  const auto write = [&](const std::vector<TensorEntry>& tensors, const Metadata& metadata = {}) {
    const std::string error = error_of<WeightsError>([&] { write_safetensors(folder / "w", tensors, metadata); });
    CHECK(error.starts_with((folder / "w").string()));
    CHECK(error_of<WeightsError>([&] { encode_safetensors(tensors, metadata); }) != "");
    return error;
  };
  CHECK(write({tensor("a", {2}, values), tensor("a", {2}, values)}).find("used twice") != std::string::npos);
  CHECK(write({tensor("__metadata__", {2}, values)}).find("reserved") != std::string::npos);
  CHECK(write({tensor("\xff", {2}, values)}).find("not UTF-8") != std::string::npos);
  CHECK(write({tensor("a", {2}, values)}, {{"k", "\xff"}}).find("not UTF-8") != std::string::npos);
}

TEST_CASE("files of other writers are read: any order, unaligned, padded or not", "[safetensors]") {
  const std::string data = "x" + std::string(8, '\1') + "yz";
  const std::string header = "{ " + entry("late", "U8", "[2]", 9, 11) + ",\n" + entry("mid", "F32", "[2,1]", 1, 9) + "," +
                             entry("none", "I64", "[4,0]", 9, 9) + "," + entry("first", "U8", "[]", 0, 1) + " }";
  for (const char* padding : {"", " ", "       "}) {
    const Safetensors file = Safetensors::parse(to_bytes(file_of(header + padding, data)), "f");
    CHECK(text_of(file.at("first").bytes) == "x");
    CHECK(text_of(file.at("late").bytes) == "yz");
    CHECK(file.at("none").bytes.empty());
    CHECK(file.tensors()[1].name == "mid");
  }
  CHECK(Safetensors::parse(to_bytes(file_of("{}", "")), "f").tensors().empty());
  CHECK(Safetensors::parse(to_bytes(file_of("{\"__metadata__\":{}}", "")), "f").metadata().empty());
}

TEST_CASE("a move keeps the data where it is", "[safetensors]") {
  Safetensors file = Safetensors::parse(to_bytes(file_of("{" + entry("a", "U8", "[2]", 0, 2) + "}", "hi")), "f");
  const Safetensors moved = std::move(file);
  CHECK(text_of(moved.at("a").bytes) == "hi");
}

TEST_CASE("non-finite values are found and named", "[safetensors]") {
  std::vector<float> floats(10, std::numeric_limits<float>::max());
  std::vector<double> doubles(3, -std::numeric_limits<double>::max());
  std::vector<std::uint16_t> halves = {0x7f7f, 0xff7f};
  const std::vector<std::int64_t> integers = {-1};
  const std::vector<TensorEntry> tensors = {tensor("i", {1}, integers),
                                            tensor("f", {10}, floats),
                                            tensor("d", {3}, doubles),
                                            {"h", ElementType::bf16, {2}, std::as_bytes(std::span(halves))}};
  const auto error = [&] { return error_of<NonFiniteError>([&] { require_finite(tensors, "checkpoint"); }); };
  CHECK(error().empty());
  const std::vector<std::uint16_t> f16 = {0x7bff, 0x7c00};
  const TensorEntry half{"s", ElementType::f16, {2}, std::as_bytes(std::span(f16))};
  CHECK(error_of<NonFiniteError>([&] { require_finite(std::span(&half, 1), "w"); }).find("element 1 of 's'") !=
        std::string::npos);
  halves[1] = 0xff80;
  CHECK(error().starts_with("checkpoint: element 1 of 'h' is NaN or infinite"));
  doubles[2] = std::numeric_limits<double>::infinity();
  CHECK(error().find("element 2 of 'd'") != std::string::npos);
  floats[9] = std::nanf("");
  CHECK(error().find("element 9 of 'f'") != std::string::npos);
}

TEST_CASE("whatever call fails, the weights file before stays", "[safetensors][faults]") {
  const std::vector<float> values(1000, 1.0f);
  const std::vector<TensorEntry> tensors = {tensor("a", {1000}, values)};
  for (const char* call : {"open", "write", "fsync", "close", "rename"}) {
    const TemporaryFolder folder;
    put(folder / "w", "old");
    const FaultyCalls calls(call, 0, Fault::no_space);
    CHECK(error_of<WeightsError>([&] { write_safetensors(folder / "w", tensors, {}, calls); }).find("free some space") !=
          std::string::npos);
    CHECK(get(folder / "w") == "old");
    CHECK_FALSE(has_temporaries(folder.path()));
  }
}
