#include "tests/fuzz/targets/mutations.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/core/error.h"
#include "engine/files/gzip.h"
#include "engine/files/zip.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace tessera::fuzz {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t largest_inside = 1 << 16;  // of what is decompressed to be changed

std::uint32_t below(std::uint32_t end, Random& random) { return static_cast<std::uint32_t>(random()) % end; }

std::string by_libfuzzer(std::string text, std::size_t most) {
  const std::size_t size = text.size();
  text.resize(std::max(most, size));
  text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), size, text.size()));
  return text;
}

// ---- JSON ----------------------------------------------------------------------------------------------------------------

void collect(Json& value, std::vector<Json*>& all) {
  all.push_back(&value);
  if (value.is_structured())
    for (Json& member : value) collect(member, all);
}

Json any_value(Random& random) {
  static const Json values[] = {0,
                                1,
                                -1,
                                2,
                                3,
                                255,
                                4096,
                                1 << 20,
                                INT32_MAX,
                                INT32_MIN,
                                INT64_MAX,
                                INT64_MIN,
                                UINT64_MAX,
                                0.5,
                                1e-300,
                                1e9,
                                1e300,
                                -1e300,
                                1e-9,
                                true,
                                false,
                                nullptr,
                                "",
                                "0",
                                "-1",
                                "1e9",
                                "nan",
                                "inf",
                                "7,8",
                                ",",
                                "9223372036854775807",
                                "18446744073709551616",
                                "true",
                                "F64",
                                "BF16",
                                "BOOL",
                                "adam",
                                "sgd",
                                "cosine",
                                "none",
                                "\x01\x1b[2J",
                                Json::array(),
                                Json::object(),
                                {1, 2, 3},
                                {{"kind", "adam"}},
                                std::string(300, 'a')};
  return values[below(std::size(values), random)];
}

void mutate_value(Json& document, Random& random) {
  std::vector<Json*> all;
  collect(document, all);
  Json& value = *all[below(static_cast<std::uint32_t>(all.size()), random)];
  switch (below(8, random)) {
    case 0:  // another one of the document in its place
      value = Json(*all[below(static_cast<std::uint32_t>(all.size()), random)]);
      return;
    case 1:  // a member less
      if (value.is_object() && !value.empty()) {
        value.erase(std::next(value.begin(), below(static_cast<std::uint32_t>(value.size()), random)));
        return;
      }
      if (value.is_array() && !value.empty()) {
        value.erase(below(static_cast<std::uint32_t>(value.size()), random));
        return;
      }
      break;
    case 2:  // a member more
      if (value.is_object()) {
        value[by_libfuzzer(value.empty() ? "a" : value.begin().key(), 40)] = any_value(random);
        return;
      }
      if (value.is_array()) {
        value.push_back(value.empty() || below(2, random) ? any_value(random) : Json(value.back()));
        return;
      }
      break;
    case 3:
      if (value.is_string()) {
        value = by_libfuzzer(value.get<std::string>(), 100);
        return;
      }
      if (value.is_number_integer()) {
        value = static_cast<std::int64_t>(value.get<std::uint64_t>() + below(5, random) - 2);  // may wrap round
        return;
      }
      if (value.is_number()) {
        value = value.get<double>() * (below(2, random) ? 1e3 : -1e-3);
        return;
      }
      break;
    case 4:
      if (value.is_number_integer()) {
        value = static_cast<std::int64_t>(0 - value.get<std::uint64_t>());
        return;
      }
      break;
    default: break;
  }
  value = any_value(random);
}

std::optional<Json> parsed(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

std::string dumped(const Json& json, int indent) { return json.dump(indent, ' ', false, Json::error_handler_t::replace); }

std::optional<std::string> if_small(std::string text, std::size_t most) {
  if (text.size() > most) return std::nullopt;
  return text;
}

// ---- safetensors ---------------------------------------------------------------------------------------------------------

// Offsets that follow from types and shapes, as far as these make sense; returns how many bytes of data there are then.
std::size_t lay_out(Json& header, std::size_t most) {
  std::size_t at = 0;
  for (auto& [name, tensor] : header.items()) {
    if (name == "__metadata__" || !tensor.is_object() || !tensor.contains("shape") || !tensor["shape"].is_array()) continue;
    std::uint64_t bytes = 1;
    const Json& type = tensor.contains("dtype") ? tensor["dtype"] : Json();
    for (const auto& [word, size] : {std::pair{"F64", 8u}, {"I64", 8u}, {"F32", 4u}, {"I32", 4u}, {"F16", 2u}, {"BF16", 2u}})
      if (type == word) bytes = size;
    for (const Json& extent : tensor["shape"]) {
      const bool usable = extent.is_number_unsigned() && extent.get<std::uint64_t>() <= most;
      if (!usable || __builtin_mul_overflow(bytes, extent.get<std::uint64_t>(), &bytes) || bytes > most) return at;
    }
    tensor["data_offsets"] = {at, at + bytes};
    at += bytes;
    if (at > most) return at;
  }
  return at;
}

// ---- checksums -----------------------------------------------------------------------------------------------------------

std::optional<std::string> inside_of(std::string_view input) {
  try {
    return std::string(text_of(gunzip(bytes_of(input), largest_inside, "fuzz", ExitCode::data)));
  } catch (const Error&) {
    return std::nullopt;
  }
}

void set_tar_checksums(std::string& archive) {
  constexpr std::size_t block = 512;
  for (std::size_t at = 0; at + block <= archive.size();) {
    char* header = archive.data() + at;
    std::memset(header + 148, ' ', 8);
    unsigned sum = 0;
    for (std::size_t i = 0; i < block; ++i) sum += static_cast<unsigned char>(header[i]);
    std::snprintf(header + 148, 8, "%06o", sum);
    const std::uint64_t size = std::strtoull(std::string(header + 124, 12).c_str(), nullptr, 8);
    if (size > archive.size()) return;
    at += block + (size + block - 1) / block * block;
  }
}

void set_png_checksums(std::string& png) {
  const auto number = [&](std::size_t at) {
    std::uint32_t n = 0;
    for (std::size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(png[at + i]);
    return n;
  };
  for (std::size_t at = 8; at + 12 <= png.size();) {
    const std::uint32_t length = number(at);
    if (length > png.size() - at - 12) return;
    const auto sum = static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(png.data() + at + 4), length + 4));
    for (std::size_t i = 0; i < 4; ++i) png[at + 8 + length + i] = static_cast<char>(sum >> (24 - 8 * i));
    at += 12 + length;
  }
}

}  // namespace

std::optional<std::string> mutate_bytes(std::string_view input, std::size_t most, Random&) {
  return by_libfuzzer(std::string(input), most);
}

std::optional<std::string> mutate_json(std::string_view input, std::size_t most, Random& random) {
  std::optional<Json> document = parsed(input);
  if (!document) return std::nullopt;
  for (std::uint32_t i = 0, times = 1 + below(3, random); i < times; ++i) mutate_value(*document, random);
  return if_small(dumped(*document, 1), most);
}

std::optional<std::string> mutate_json_list(std::string_view input, std::size_t most, Random& random) {
  std::vector<std::string> documents(1);
  for (const char c : input)
    if (c == '\0')
      documents.emplace_back();
    else
      documents.back() += c;
  std::string& one = documents[below(static_cast<std::uint32_t>(documents.size()), random)];
  const std::optional<std::string> changed = mutate_json(one, most, random);
  if (!changed) return std::nullopt;
  one = *changed;
  std::string all;
  for (std::size_t i = 0; i < documents.size(); ++i) all += (i ? std::string(1, '\0') : "") + documents[i];
  return if_small(std::move(all), most);
}

std::optional<std::string> mutate_safetensors(std::string_view input, std::size_t most, Random& random) {
  if (input.size() < 8) return std::nullopt;
  std::uint64_t length = 0;
  std::memcpy(&length, input.data(), 8);
  if (length > input.size() - 8) return std::nullopt;
  std::string data(input.substr(8 + length));
  std::string head(input.substr(8, length));
  if (below(4, random) == 0) {
    data = by_libfuzzer(std::move(data), std::max(most, input.size()) - 8 - head.size());
  } else {
    std::optional<Json> header = parsed(head);
    if (!header || !header->is_object()) return std::nullopt;
    // What the file says of itself is a small part of it, and the part that decides what is built.
    const bool has_metadata = header->contains("__metadata__") && below(2, random);
    mutate_value(has_metadata ? (*header)["__metadata__"] : *header, random);
    if (header->is_object() && below(4, random))
      if (const std::size_t bytes = lay_out(*header, most); bytes <= most) data.resize(bytes);
    head = dumped(*header, -1);
  }
  std::string file(8, '\0');
  length = head.size();
  std::memcpy(file.data(), &length, 8);
  return if_small(file + head + data, most);
}

std::optional<std::string> mutate_gzip(std::string_view input, std::size_t most, Random&) {
  std::optional<std::string> inside = inside_of(input);
  if (!inside) return std::nullopt;
  return if_small(gzip(by_libfuzzer(std::move(*inside), largest_inside)), most);
}

std::optional<std::string> mutate_tar(std::string_view input, std::size_t most, Random& random) {
  std::optional<std::string> inside = inside_of(input);
  if (!inside) return std::nullopt;
  std::string archive = by_libfuzzer(std::move(*inside), largest_inside);
  if (below(8, random)) set_tar_checksums(archive);
  return if_small(gzip(archive), most);
}

std::optional<std::string> mutate_zip(std::string_view input, std::size_t most, Random& random) {
  try {
    ZipReader zip(bytes_of(input), "fuzz", ExitCode::data);
    if (zip.entries().empty()) return std::nullopt;
    const std::uint32_t chosen = below(static_cast<std::uint32_t>(zip.entries().size()), random);
    ZipWriter changed;
    for (std::size_t i = 0; i < zip.entries().size(); ++i) {
      const ZipReader::Entry& entry = zip.entries()[i];
      std::string inside(text_of(zip.read(entry)));
      changed.add(entry.name, i == chosen ? by_libfuzzer(std::move(inside), std::min(most, largest_inside)) : inside);
    }
    std::string all;
    for (const ByteSpan part : changed.finish()) all += text_of(part);
    return if_small(std::move(all), most);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<std::string> mutate_png(std::string_view input, std::size_t most, Random&) {
  if (input.size() < 8 || input.substr(1, 3) != "PNG") return std::nullopt;
  std::string png = by_libfuzzer(std::string(input), most);
  if (png.size() > 8) set_png_checksums(png);
  return png;
}

}  // namespace tessera::fuzz
