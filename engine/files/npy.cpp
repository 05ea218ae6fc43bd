#include "engine/files/npy.h"

namespace tessera {

void write_npy(const Output& output, std::span<const float> values, const std::vector<std::int64_t>& shape,
               const std::atomic<bool>* stop) {
  std::string dims;
  for (const std::int64_t extent : shape) dims += std::to_string(extent) + ",";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + dims + "), }";
  constexpr std::size_t preamble = 10;  // magic, version, header length
  header.append(63 - (preamble + header.size()) % 64, ' ');
  header += '\n';
  std::string start = "\x93NUMPY\x01";
  start += '\0';
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  start += header;
  const ByteSpan parts[] = {bytes_of(start), std::as_bytes(values)};
  output.write(parts, stop);
}

}  // namespace tessera
