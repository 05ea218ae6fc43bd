// ONNX models byte by byte, against messages put together by hand from the format's description.
#include "engine/files/onnx.h"

#include "engine/files/protobuf.h"
#include "tests/catch.h"

using namespace tessera;
using namespace std::string_literals;

TEST_CASE("protocol buffers: the fields of the format's own examples") {
  ProtobufMessage m;
  m.integer(1, 150);
  CHECK(m.bytes() == "\x08\x96\x01"s);  // "Encoding": { a: 150 }
  m = {};
  m.text(2, "testing");
  CHECK(m.bytes() == "\x12\x07testing"s);
  ProtobufMessage inner;
  inner.integer(1, 150);
  m = {};
  m.message(3, inner);
  CHECK(m.bytes() == "\x1a\x03\x08\x96\x01"s);
  m = {};
  m.integer(1, -2);
  CHECK(m.bytes() == "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"s);
  m = {};
  m.number(16, 1.0f);  // key 16 << 3 | 5 takes two bytes
  CHECK(m.bytes() == "\x85\x01\x00\x00\x80\x3f"s);
  m = {};
  m.number(1, 1.0);
  CHECK(m.bytes() == "\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"s);
}

TEST_CASE("an ONNX model of one node") {
  OnnxModel model{.name = "g",
                  .nodes = {{"Mul", {"x", "two"}, "y", {}, "n"}},
                  .constants = {{"two", {}, {2.0f}}},
                  .input = {.name = "x", .dims = {-1, 3}},
                  .output = {.name = "y", .dims = {-1, 3}},
                  .metadata = {{"k", "v"}}};
  const std::string node = "\x0a\x01x\x0a\x03two\x12\x01y\x1a\x01n\x22\x03Mul"s;
  const std::string constant = "\x10\x01\x42\x03two\x4a\x04\x00\x00\x00\x40"s;
  const std::string type = "\x12\x0f\x0a\x0d\x08\x01\x12\x09\x0a\x03\x12\x01N\x0a\x02\x08\x03"s;
  const std::string graph = "\x0a"s + static_cast<char>(node.size()) + node + "\x12\x01g\x2a"s +
                            static_cast<char>(constant.size()) + constant + "\x5a\x14\x0a\x01x" + type +
                            "\x62\x14\x0a\x01y" + type;
  const std::string bytes = model.bytes();
  const std::string head = "\x08\x08\x12\x07Tessera\x1a"s;
  REQUIRE(bytes.starts_with(head));
  const std::size_t version = static_cast<unsigned char>(bytes[head.size()]);
  CHECK(bytes.substr(head.size() + 1 + version) ==
        "\x3a"s + static_cast<char>(graph.size()) + graph + "\x42\x02\x10\x11\x72\x06\x0a\x01k\x12\x01v"s);
}

TEST_CASE("attributes of an ONNX node say their type") {
  const auto ends_with = [](OnnxAttribute attribute, const std::string& expected) {
    OnnxModel model{.name = {},
                    .nodes = {{"O", {}, "y", {std::move(attribute)}, {}}},
                    .constants = {},
                    .input = {},
                    .output = {},
                    .metadata = {}};
    return model.bytes().find(expected) != std::string::npos;
  };
  CHECK(ends_with({"a", std::int64_t{5}},
                  "\x0a\x01"
                  "a\x18\x05\xa0\x01\x02"s));
  CHECK(ends_with({"a", 1.0f},
                  "\x0a\x01"
                  "a\x15\x00\x00\x80\x3f\xa0\x01\x01"s));
  CHECK(ends_with({"a", "s"s},
                  "\x0a\x01"
                  "a\x22\x01s\xa0\x01\x03"s));
  CHECK(ends_with({"a", std::vector<std::int64_t>{1, 2}},
                  "\x0a\x01"
                  "a\x40\x01\x40\x02\xa0\x01\x07"s));
}
