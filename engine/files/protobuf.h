// Protocol buffers' wire format, written: the few kinds of field that ONNX and TensorBoard files use.
// https://protobuf.dev/programming-guides/encoding
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

class ProtobufMessage {
 public:
  // int32, int64, bool, enum. A negative number takes ten bytes, as the format wants it.
  void integer(int field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
  }
  void number(int field, float value) {
    key(field, 5);
    fixed(std::bit_cast<std::uint32_t>(value));
  }
  void number(int field, double value) {
    key(field, 1);
    fixed(std::bit_cast<std::uint64_t>(value));
  }
  void text(int field, std::string_view bytes) {  // string, bytes
    key(field, 2);
    varint(bytes.size());
    bytes_ += bytes;
  }
  void bare(double value) { fixed(std::bit_cast<std::uint64_t>(value)); }  // an element of a packed list
  void message(int field, const ProtobufMessage& message) { text(field, message.bytes_); }

  const std::string& bytes() const { return bytes_; }

 private:
  void key(int field, unsigned kind) { varint(static_cast<std::uint64_t>(field) << 3 | kind); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  template <class Word>
  void fixed(Word word) {  // little-endian
    for (std::size_t i = 0; i < sizeof word; ++i) bytes_ += static_cast<char>(word >> (8 * i));
  }

  std::string bytes_;
};

}  // namespace tessera
