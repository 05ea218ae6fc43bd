// The decoders behind decode.h. Internal to engine/image.
#pragma once

#include <atomic>

#include "engine/image/decode.h"
#include "engine/image/orientation.h"

namespace tessera {

// Takes a picture row by row as a decoder gives it, so that no decoder needs memory for all of it.
class RowSink {
 public:
  virtual ~RowSink() = default;
  // Before the first row; DataError where the sink cannot take a picture of this size.
  virtual void begin(std::int64_t height, std::int64_t width, Orientation orientation) = 0;
  virtual void row(const std::uint8_t* rgb) = 0;  // width·3 bytes
};

// `where` names the file in errors; once `stop` is set: Interrupted.
void decode_png(ByteSpan file, const std::string& where, RowSink& sink, const std::atomic<bool>* stop);
void decode_jpeg(ByteSpan file, const std::string& where, RowSink& sink, const std::atomic<bool>* stop);

// DataError where a header claims a size that is empty or too large: `most` pixels, or a side beyond 65,535.
void check_size(std::uint64_t height, std::uint64_t width, std::int64_t most, const std::string& where);

inline void poll(const std::atomic<bool>* stop) {
  if (stop != nullptr && stop->load(std::memory_order_relaxed)) throw Interrupted("stopped while reading a picture");
}

}  // namespace tessera
