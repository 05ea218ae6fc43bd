#include "engine/data/cifar_binary.h"

#include "engine/core/error.h"

namespace tessera {
namespace {

[[noreturn]] void broken(const std::string& where, std::int64_t offset, const std::string& reason) {
  throw DataError(where + ": byte " + std::to_string(offset) + ": " + reason);
}

}  // namespace

ImageSet parse_cifar_binary(ByteSpan file, const cifar::Set& format, const cifar::Labels& labels, const std::string& where) {
  const std::int64_t record = format.record();
  const auto size = static_cast<std::int64_t>(file.size());
  if (size == 0)
    broken(where, 0, "the file is empty; records of " + std::to_string(record) + " bytes are expected, fetch it again");
  const std::int64_t records = size / record;
  if (size % record != 0)
    broken(where, records * record,
           "the last record has " + std::to_string(size % record) + " bytes of " + std::to_string(record) +
               "; the file was cut, or is not " + format.name + " (an error page?), fetch it again");

  ImageSet set = cifar::empty_set();
  cifar::reserve(set, records);
  for (std::int64_t i = 0; i < records; ++i) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(file.data()) + i * record;
    const std::int32_t label = from[labels.byte];
    if (label >= labels.classes)
      broken(where, i * record,
             "label " + std::to_string(label) + " of record " + std::to_string(i) + " is not below " +
                 std::to_string(labels.classes) + "; the file is damaged or not " + format.name + ", fetch it again");
    cifar::append(set, label, from + format.labels.size());
  }
  return set;
}

std::vector<std::string> parse_cifar_binary_names(ByteSpan file) {
  std::vector<std::string> names(1);
  std::string_view text = text_of(file);
  if (constexpr std::string_view byte_order_mark = "\xef\xbb\xbf"; text.starts_with(byte_order_mark))
    text.remove_prefix(byte_order_mark.size());
  for (const char c : text) {
    if (c == '\n') {
      names.emplace_back();
    } else if (c != '\r') {
      names.back() += c;
    }
  }
  std::erase(names, "");
  return names;
}

}  // namespace tessera
