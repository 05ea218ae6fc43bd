#include <zlib.h>

#include "tests/fuzz/targets/mutations.h"

namespace tessera::fuzz {

std::string gzip(std::string_view plain) {
  constexpr int window_of_gzip = 15 + 16;
  z_stream stream = {};
  std::string out(plain.size() + plain.size() / 100 + 1000, '\0');
  if (deflateInit2(&stream, 1, Z_DEFLATED, window_of_gzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace tessera::fuzz
