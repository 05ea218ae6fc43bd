#include "engine/files/tfevents.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/files/crc32c.h"

namespace tessera {
namespace {

// Field numbers of event.proto and summary.proto.
struct Event {
  static constexpr int wall_time = 1, step = 2, file_version = 3, summary = 5;
};
struct Value {
  static constexpr int tag = 1, simple_value = 2, image = 4, histogram = 5, tensor = 8, metadata = 9;
};

template <class Word>
void append_word(std::string& to, Word word) {  // little-endian
  for (std::size_t i = 0; i < sizeof word; ++i) to += static_cast<char>(word >> (8 * i));
}
template <class Word>
Word word_at(std::string_view bytes) {
  Word word = 0;
  for (std::size_t i = 0; i < sizeof word; ++i) word |= static_cast<Word>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return word;
}

// Of a sum, so that a CRC over bytes that hold a CRC stays one (TFRecord's rule).
std::uint32_t masked(std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

std::string record(const std::string& data) {
  std::string bytes;
  append_word(bytes, static_cast<std::uint64_t>(data.size()));
  append_word(bytes, masked(crc32c(bytes)));
  bytes += data;
  append_word(bytes, masked(crc32c(data)));
  return bytes;
}

// An Event's step, 0 where it says none.
std::int64_t step_of(std::string_view event) {
  const auto varint = [&]() -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !event.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(event.front());
      event.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  };
  while (!event.empty()) {
    const auto key = varint();
    if (!key) return 0;
    std::uint64_t skip = 0;
    switch (*key & 7) {
      case 0: {
        const auto value = varint();
        if (!value) return 0;
        if (*key >> 3 == Event::step) return static_cast<std::int64_t>(*value);
        break;
      }
      case 1: skip = 8; break;
      case 2: skip = varint().value_or(event.size() + 1); break;
      case 5: skip = 4; break;
      default: return 0;
    }
    if (skip > event.size()) return 0;
    event.remove_prefix(skip);
  }
  return 0;
}

ProtobufMessage packed(std::span<const double> values) {
  ProtobufMessage m;
  for (const double value : values) m.bare(value);
  return m;
}

}  // namespace

void EventSummary::scalar(std::string_view tag, double value) {
  ProtobufMessage v;
  v.text(Value::tag, tag);
  v.number(Value::simple_value, static_cast<float>(value));
  message_.message(1, v);
}

void EventSummary::image(std::string_view tag, std::int64_t width, std::int64_t height, ByteSpan png) {
  ProtobufMessage image;  // height = 1, width = 2, colorspace = 3 (RGB), encoded_image_string = 4
  image.integer(1, height);
  image.integer(2, width);
  image.integer(3, 3);
  image.text(4, text_of(png));
  ProtobufMessage v;
  v.text(Value::tag, tag);
  v.message(Value::image, image);
  message_.message(1, v);
}

void EventSummary::histogram(std::string_view tag, std::span<const float> values) {
  double low = 0, high = 0, count = 0, sum = 0, squares = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const double x = static_cast<double>(value);
    low = count == 0 ? x : std::min(low, x), high = count == 0 ? x : std::max(high, x);
    ++count, sum += x, squares += x * x;
  }
  const std::size_t bins = high > low ? 64 : 1;
  std::vector<double> limits(bins), counts(bins);
  for (std::size_t i = 0; i < bins; ++i)
    limits[i] = i + 1 == bins ? high : low + (high - low) * static_cast<double>(i + 1) / static_cast<double>(bins);
  for (const float value : values)
    if (std::isfinite(value))
      ++counts[static_cast<std::size_t>(std::min<double>(
          static_cast<double>(bins - 1),
          high > low ? (static_cast<double>(value) - low) / (high - low) * static_cast<double>(bins) : 0.0))];
  ProtobufMessage h;  // min = 1, max = 2, num = 3, sum = 4, sum_squares = 5, bucket_limit = 6, bucket = 7
  h.number(1, low), h.number(2, high), h.number(3, count), h.number(4, sum), h.number(5, squares);
  h.message(6, packed(limits));
  h.message(7, packed(counts));
  ProtobufMessage v;
  v.text(Value::tag, tag);
  v.message(Value::histogram, h);
  message_.message(1, v);
}

void EventSummary::text(std::string_view tag, std::string_view markdown) {
  ProtobufMessage plugin;  // plugin_name = 1
  plugin.text(1, "text");
  ProtobufMessage metadata;  // plugin_data = 1
  metadata.message(1, plugin);
  ProtobufMessage tensor;  // dtype = 1 (string: 7), tensor_shape = 2 (a scalar: empty), string_val = 8
  tensor.integer(1, 7);
  tensor.message(2, {});
  tensor.text(8, markdown);
  ProtobufMessage v;
  v.text(Value::tag, tag);
  v.message(Value::tensor, tensor);
  v.message(Value::metadata, metadata);
  message_.message(1, v);
}

std::vector<std::string_view> records_of(std::string_view file) {
  std::vector<std::string_view> records;
  while (file.size() >= 16) {
    const std::uint64_t length = word_at<std::uint64_t>(file);
    if (word_at<std::uint32_t>(file.substr(8)) != masked(crc32c(file.substr(0, 8))) || length > file.size() - 16) break;
    const std::string_view data = file.substr(12, static_cast<std::size_t>(length));
    if (word_at<std::uint32_t>(file.substr(12 + data.size())) != masked(crc32c(data))) break;
    records.push_back(data);
    file.remove_prefix(16 + data.size());
  }
  return records;
}

EventFile::EventFile(const std::filesystem::path& path, std::int64_t step, double wall_time, const SystemCalls& calls)
    : path_(path), calls_(&calls) {
  std::string kept;
  std::error_code missing;
  if (std::filesystem::exists(path, missing)) {
    constexpr std::uint64_t limit = std::uint64_t{4} << 30;
    const Bytes before = read_file(path, limit, ExitCode::weights, calls);
    for (const std::string_view data : records_of(text_of(before)))
      if (step_of(data) <= step) kept += record(std::string(data));
  }
  fresh_ = kept.empty();
  if (fresh_) {
    ProtobufMessage first;
    first.number(Event::wall_time, wall_time);
    first.text(Event::file_version, "brain.Event:2");
    kept = record(first.bytes());
  }
  write_file_atomically(path_, bytes_of(kept), ExitCode::weights, calls);
}

void EventFile::add(std::int64_t step, double wall_time, const EventSummary& summary) {
  ProtobufMessage event;
  event.number(Event::wall_time, wall_time);
  event.integer(Event::step, step);
  event.message(Event::summary, summary.message());
  File file(path_, File::Mode::append, ExitCode::weights, *calls_);
  file.write(bytes_of(record(event.bytes())));
  file.sync();
  file.close();
}

}  // namespace tessera
