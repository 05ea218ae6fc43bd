#include "engine/files/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace tessera {
namespace {

constexpr std::size_t piece = std::size_t{1} << 20;

}  // namespace

class GzipReader::Inflater {
 public:
  Inflater(ByteSpan compressed, const std::string& where, ExitCode on_error)
      : rest_(compressed), size_(compressed.size()), where_(where), on_error_(on_error) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();  // 15: the largest window; 16: gzip, not zlib
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::size_t read(std::span<std::byte> to) {
    const std::size_t wanted = to.size();
    while (!to.empty() && !done_) {
      const auto in = static_cast<uInt>(std::min<std::size_t>(rest_.size(), std::numeric_limits<uInt>::max()));
      const auto out = static_cast<uInt>(std::min<std::size_t>(to.size(), std::numeric_limits<uInt>::max()));
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(rest_.data()));  // zlib only reads it
      stream_.avail_in = in;
      stream_.next_out = reinterpret_cast<Bytef*>(to.data());
      stream_.avail_out = out;
      const int status = inflate(&stream_, Z_NO_FLUSH);
      rest_ = rest_.subspan(in - stream_.avail_in);
      to = to.subspan(out - stream_.avail_out);
      if (status == Z_MEM_ERROR) throw std::bad_alloc();
      if (status == Z_STREAM_END) {
        next_member();
      } else if (status != Z_OK) {
        broken(rest_.empty() ? "the gzip data ends too early; the file was cut" : "the gzip data is damaged");
      }
    }
    return wanted - to.size();
  }

 private:
  // A gzip file is one or more members, one after another.
  void next_member() {
    done_ = rest_.empty();
    if (done_) return;
    if (!is_gzip(rest_)) broken("garbage behind the gzip data");
    inflateReset(&stream_);
  }
  [[noreturn]] void broken(const char* reason) const {
    fail(on_error_, where_ + ": byte " + std::to_string(size_ - rest_.size()) + ": " + reason);
  }

  z_stream stream_ = {};
  ByteSpan rest_;
  std::size_t size_;
  std::string where_;
  ExitCode on_error_;
  bool done_ = false;
};

GzipReader::GzipReader(ByteSpan compressed, const std::string& where, ExitCode on_error)
    : inflater_(std::make_unique<Inflater>(compressed, where, on_error)) {}
GzipReader::~GzipReader() = default;
std::size_t GzipReader::read(std::span<std::byte> to) { return inflater_->read(to); }

bool is_gzip(ByteSpan bytes) { return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}; }

Bytes gunzip_prefix(ByteSpan compressed, std::uint64_t count, const std::string& where, ExitCode on_error) {
  Bytes bytes(static_cast<std::size_t>(count));
  bytes.resize(GzipReader(compressed, where, on_error).read(bytes));
  return bytes;
}

Bytes gunzip(ByteSpan compressed, std::uint64_t limit, const std::string& where, ExitCode on_error) {
  GzipReader reader(compressed, where, on_error);
  Bytes bytes;
  while (true) {
    const std::size_t have = bytes.size();
    bytes.resize(have + piece);
    const std::size_t got = reader.read(std::span(bytes).subspan(have));
    bytes.resize(have + got);
    if (bytes.size() > limit)
      fail(on_error, where + ": decompresses to more than the " + std::to_string(limit) + " bytes expected");
    if (got < piece) return bytes;
  }
}

}  // namespace tessera
