// TensorBoard's event files: a TFRecord file of Event messages, written one synced record at a time.
// https://www.tensorflow.org/tutorials/load_data/tfrecord, tensorflow/core/util/event.proto, framework/summary.proto
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/io.h"
#include "engine/files/protobuf.h"

namespace tessera {

// What one event shows, under names like "loss/train".
class EventSummary {
 public:
  void scalar(std::string_view tag, double value);
  void image(std::string_view tag, std::int64_t width, std::int64_t height, ByteSpan png);
  // In up to 64 bins of one width from the smallest value to the largest; values that are not finite are left out.
  void histogram(std::string_view tag, std::span<const float> values);
  void text(std::string_view tag, std::string_view markdown);

  bool empty() const { return message_.bytes().empty(); }
  const ProtobufMessage& message() const { return message_; }

 private:
  ProtobufMessage message_;
};

class EventFile {
 public:
  // Goes on with a file that is there: what lies behind the last whole record, and events of steps after `step`, are of a run
  // that was cut off and are dropped. WeightsError where the file cannot be read or written.
  EventFile(const std::filesystem::path& path, std::int64_t step, double wall_time, const SystemCalls& calls = system_calls);

  bool fresh() const { return fresh_; }  // nothing was there to go on with

  // wall_time: seconds since 1970.
  void add(std::int64_t step, double wall_time, const EventSummary& summary);

 private:
  std::filesystem::path path_;
  const SystemCalls* calls_;
  bool fresh_ = false;
};

// The whole records at the beginning of a TFRecord file.
std::vector<std::string_view> records_of(std::string_view file);

}  // namespace tessera
