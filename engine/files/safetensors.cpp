#include "engine/files/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "engine/files/safetensors_header.h"

namespace tessera {
namespace {

constexpr std::uint64_t longest_header = 100'000'000;

std::uint64_t little_endian(std::span<const std::byte, 8> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

void check_header_length(std::uint64_t length, std::uint64_t file_size, const std::string& where) {
  if (length > std::min(longest_header, file_size - 8))
    fail(ExitCode::weights, where + ": byte 0: header length " + std::to_string(length) + " does not fit a file of " +
                                std::to_string(file_size) + " bytes; it was cut, or is no safetensors file");
}

void check_file_size(std::uint64_t size, const std::string& where) {
  if (size < 8)
    fail(ExitCode::weights,
         where + ": has " + std::to_string(size) + " bytes; a safetensors file begins with 8 and a header");
  if (size > largest_file)
    fail(ExitCode::weights, where + ": has " + std::to_string(size) + " bytes; files beyond 8 GiB are not read");
}

std::uint64_t data_size_of(const TensorEntry& tensor) {
  return static_cast<std::uint64_t>(tensor.count()) * size_of(tensor.dtype);
}

// What stands before the data, and the order of the data.
struct Layout {
  std::string head;
  std::vector<const TensorEntry*> order;
};

Layout lay_out(std::span<const TensorEntry> tensors, const Metadata& metadata, const std::string& where) {
  Layout layout;
  for (const TensorEntry& tensor : tensors) {
    if (tensor.bytes.size() != data_size_of(tensor))
      throw ShapeError("[safetensors] tensor " + printable(tensor.name) + ": " + std::to_string(tensor.bytes.size()) +
                       " bytes given, but dtype and shape need " + std::to_string(data_size_of(tensor)));
    layout.order.push_back(&tensor);
  }
  std::sort(layout.order.begin(), layout.order.end(), [](const TensorEntry* a, const TensorEntry* b) {
    const std::size_t size_a = size_of(a->dtype), size_b = size_of(b->dtype);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names;
  std::uint64_t at = 0;
  for (const TensorEntry* tensor : layout.order) {
    if (tensor->name == "__metadata__" || !names.insert(tensor->name).second)
      throw WeightsError(where + ": the tensor name " + printable(tensor->name) + " is used twice or reserved");
    const std::uint64_t end = at + tensor->bytes.size();
    // Not by key: ordered_json looks for an equal key first, which is quadratic in the number of tensors.
    header.get_ref<nlohmann::ordered_json::object_t&>().push_back(
        {tensor->name, {{"dtype", word_of(tensor->dtype)}, {"shape", tensor->shape}, {"data_offsets", {at, end}}}});
    at = end;
  }
  std::string json;
  try {
    json = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw WeightsError(where + ": a tensor name or metadata entry is not UTF-8");
  }
  json.resize((json.size() + 7) / 8 * 8, ' ');
  for (int i = 0; i < 8; ++i) layout.head += static_cast<char>(json.size() >> (8 * i) & 0xff);
  layout.head += json;
  return layout;
}

template <class Bits>
std::int64_t first_non_finite(ByteSpan bytes, Bits exponent) {
  for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i, sizeof bits);
    if ((bits & exponent) == exponent) return static_cast<std::int64_t>(i / sizeof(Bits));
  }
  return -1;
}

}  // namespace

Safetensors Safetensors::read(const std::filesystem::path& path, const SystemCalls& calls) {
  const std::string where = shown(path);
  if (std::error_code ignored; std::filesystem::exists(path / "best.safetensors", ignored))
    throw WeightsError(where + ": is a run folder; give the weights in it: " + (path / "best.safetensors").string() +
                       ", or last.safetensors");
  File file(path, File::Mode::read, ExitCode::weights, calls);
  const std::uint64_t size = file.size();
  check_file_size(size, where);
  std::byte length_bytes[8];
  file.read_exactly(length_bytes);
  const std::uint64_t length = little_endian(length_bytes);
  check_header_length(length, size, where);
  std::string json(static_cast<std::size_t>(length), '\0');
  file.read_exactly(std::as_writable_bytes(std::span(json)));
  SafetensorsHeader header = parse_safetensors_header(json, size - 8 - length, where);

  Bytes data(static_cast<std::size_t>(size - 8 - length));  // only now: the header accounts for every byte of it
  file.read_exactly(data);
  return Safetensors(where, std::move(data), 0, std::move(header));
}

Safetensors Safetensors::parse(Bytes file, const std::string& where) {
  check_file_size(file.size(), where);
  const std::uint64_t length = little_endian(std::span(file).first<8>());
  check_header_length(length, file.size(), where);
  const std::string_view json = text_of(std::span(file).subspan(8, static_cast<std::size_t>(length)));
  SafetensorsHeader header = parse_safetensors_header(json, file.size() - 8 - length, where);
  return Safetensors(where, std::move(file), static_cast<std::size_t>(8 + length), std::move(header));
}

Safetensors::Safetensors(std::string where, Bytes bytes, std::size_t data_at, SafetensorsHeader header)
    : TensorFile(std::move(where)) {
  set_metadata(std::move(header.metadata));
  const ByteSpan data = keep(std::move(bytes)).subspan(data_at);
  for (SafetensorsHeader::Tensor& tensor : header.tensors)
    add({std::move(tensor.name), tensor.dtype, std::move(tensor.shape),
         data.subspan(static_cast<std::size_t>(tensor.begin), static_cast<std::size_t>(tensor.end - tensor.begin))});
}

Bytes encode_safetensors(std::span<const TensorEntry> tensors, const Metadata& metadata, const std::string& where) {
  const Layout layout = lay_out(tensors, metadata, where);
  Bytes file;
  std::size_t size = layout.head.size();
  for (const TensorEntry* tensor : layout.order) size += tensor->bytes.size();
  file.reserve(size);
  const ByteSpan head = bytes_of(layout.head);
  file.insert(file.end(), head.begin(), head.end());
  for (const TensorEntry* tensor : layout.order) file.insert(file.end(), tensor->bytes.begin(), tensor->bytes.end());
  return file;
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorEntry> tensors, const Metadata& metadata,
                       const SystemCalls& calls) {
  const Layout layout = lay_out(tensors, metadata, shown(path));
  std::vector<ByteSpan> parts = {bytes_of(layout.head)};
  for (const TensorEntry* tensor : layout.order) parts.push_back(tensor->bytes);
  write_file_atomically(path, parts, ExitCode::weights, calls);
}

void require_finite(std::span<const TensorEntry> tensors, std::string_view what) {
  for (const TensorEntry& tensor : tensors) {
    std::int64_t at = -1;
    switch (tensor.dtype) {
      case ElementType::f32: at = first_non_finite<std::uint32_t>(tensor.bytes, 0x7f800000u); break;
      case ElementType::f64: at = first_non_finite<std::uint64_t>(tensor.bytes, 0x7ff0000000000000u); break;
      case ElementType::bf16: at = first_non_finite<std::uint16_t>(tensor.bytes, 0x7f80u); break;
      case ElementType::f16: at = first_non_finite<std::uint16_t>(tensor.bytes, 0x7c00u); break;
      default: break;
    }
    if (at >= 0)
      throw NonFiniteError(std::string(what) + ": element " + std::to_string(at) + " of " + printable(tensor.name) +
                           " is NaN or infinite; not saved, what was saved before stays. A lower learning rate may help");
  }
}

}  // namespace tessera
