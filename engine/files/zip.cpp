#include "engine/files/zip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <numeric>

namespace tessera {
namespace {

constexpr std::uint32_t local_mark = 0x04034b50, directory_mark = 0x02014b50, end_mark = 0x06054b50, end64_mark = 0x06064b50,
                        locator_mark = 0x07064b50;
constexpr std::uint64_t local_size = 30, directory_size = 46, end_size = 22, end64_size = 56, locator_size = 20;
constexpr std::uint64_t longest_comment = 0xffff, longest_name = 0xffff, most_entries = 65536, elsewhere = 0xffffffff;
constexpr std::uint64_t deflate_ratio = 1032;  // the most that deflate can do
constexpr std::uint64_t free_bytes = std::uint64_t{64} << 20, ratio = 16;

std::uint32_t crc_of(ByteSpan bytes) {
  std::uint32_t crc = 0;
  while (!bytes.empty()) {
    const std::size_t now = std::min<std::size_t>(bytes.size(), std::size_t{1} << 30);
    crc = static_cast<std::uint32_t>(crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(now)));
    bytes = bytes.subspan(now);
  }
  return crc;
}

// Null, or what is wrong with a name.
const char* fault_of(std::string_view name) {
  if (name.size() > longest_name) return "has more than 65,535 bytes";
  if (name.empty()) return "is empty";
  if (name.find('\0') != name.npos) return "has a zero byte";
  if (name.find('\\') != name.npos) return "has a backslash";
  if (name.front() == '/' || (name.size() > 1 && name[1] == ':')) return "is not relative";
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    if (name.substr(at, end - at) == "..") return "leads out of the archive";
    at = end + 1;
  }
  return nullptr;
}

void put(std::string& to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) to += static_cast<char>(value >> (8 * i) & 0xff);
}

}  // namespace

void ZipReader::broken(std::uint64_t offset, const std::string& reason) const {
  fail(on_error_, where_ + ": byte " + std::to_string(offset) + ": " + reason);
}

// The caller has looked that it is there.
std::uint64_t ZipReader::number(std::uint64_t at, std::size_t bytes) const {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i)
    value |= std::to_integer<std::uint64_t>(file_[static_cast<std::size_t>(at) + i]) << (8 * i);
  return value;
}

ZipReader::ZipReader(ByteSpan file, const std::string& where, ExitCode on_error)
    : file_(file), where_(where), on_error_(on_error) {
  const Directory directory = find_directory();
  std::uint64_t at = directory.at;
  for (std::uint64_t i = 0; i < directory.entries; ++i) at = add_entry(at, directory.at);
  if (at != directory.at + directory.size)
    broken(at, "the zip directory of " + std::to_string(directory.entries) + " entries does not end where it should");
  check_places(directory.at);
}

ZipReader::Directory ZipReader::find_directory() const {
  const std::uint64_t size = file_.size();
  const std::uint64_t lowest = size < end_size + longest_comment ? 0 : size - end_size - longest_comment;
  if (size < end_size) broken(size, "the zip archive ends too early; it was cut");
  std::uint64_t end = size - end_size;
  while (number(end, 4) != end_mark || end + end_size + number(end + 20, 2) != size) {
    if (end == lowest) broken(size, "no end of a zip directory; the file was cut");
    --end;
  }
  if (number(end + 4, 2) != 0 || number(end + 6, 2) != 0 || number(end + 8, 2) != number(end + 10, 2))
    broken(end, "a zip archive of several disks");
  Directory directory{.at = number(end + 16, 4), .size = number(end + 12, 4), .entries = number(end + 10, 2)};
  std::uint64_t behind = end;  // where the directory must end
  if (end >= locator_size && number(end - locator_size, 4) == locator_mark) {
    const std::uint64_t at = number(end - locator_size + 8, 8);
    if (end - locator_size < end64_size || at > end - locator_size - end64_size || number(at, 4) != end64_mark)
      broken(end - locator_size, "the Zip64 end record is not where it should be");
    if (number(at + 24, 8) != number(at + 32, 8)) broken(at, "a zip archive of several disks");
    const Directory large{.at = number(at + 48, 8), .size = number(at + 40, 8), .entries = number(at + 32, 8)};
    if ((directory.at != elsewhere && directory.at != large.at) ||
        (directory.size != elsewhere && directory.size != large.size) ||
        (directory.entries != 0xffff && directory.entries != large.entries))
      broken(at, "the two end records of the zip archive contradict each other");
    directory = large;
    behind = at;
  }
  if (directory.size > behind || directory.at != behind - directory.size)
    broken(end, "the zip directory of " + std::to_string(directory.size) + " bytes is not where it should be");
  if (directory.entries > most_entries || directory.entries * directory_size > directory.size)
    broken(end, std::to_string(directory.entries) + " entries in a zip directory of " + std::to_string(directory.size) +
                    " bytes; at most 65,536 are read");
  return directory;
}

// Returns where the next one stands.
std::uint64_t ZipReader::add_entry(std::uint64_t at, std::uint64_t directory_at) {
  const auto need = [&](std::uint64_t from, std::uint64_t count, std::uint64_t limit) {
    if (from > limit || count > limit - from) broken(from, "a zip entry that goes beyond its place; the file is damaged");
  };
  need(at, directory_size, file_.size());
  if (number(at, 4) != directory_mark) broken(at, "no entry of a zip directory");
  const std::uint64_t flags = number(at + 8, 2), method = number(at + 10, 2);
  Entry entry{.name = {}, .deflated = method == 8, .crc = static_cast<std::uint32_t>(number(at + 16, 4))};
  std::uint64_t stored = number(at + 20, 4), header = number(at + 42, 4);
  entry.size = number(at + 24, 4);
  const std::uint64_t name_size = number(at + 28, 2), extra_size = number(at + 30, 2), comment_size = number(at + 32, 2);
  need(at + directory_size, name_size + extra_size + comment_size, file_.size());
  entry.name = text_of(file_.subspan(static_cast<std::size_t>(at + directory_size), static_cast<std::size_t>(name_size)));
  const std::string called = "zip entry " + printable(entry.name);
  if (const char* fault = fault_of(entry.name)) broken(at, called + ": its name " + fault);

  // Zip64: those of the numbers that did not fit, in this order.
  std::uint64_t extra = at + directory_size + name_size;
  const std::uint64_t extra_end = extra + extra_size;
  while (extra_end - extra >= 4) {
    const std::uint64_t kind = number(extra, 2), length = number(extra + 2, 2);
    extra += 4;
    if (length > extra_end - extra) broken(extra, called + ": an extra field that goes beyond its place");
    if (kind == 1) {
      std::uint64_t next = extra;
      for (std::uint64_t* value : {&entry.size, &stored, &header}) {
        if (*value != elsewhere) continue;
        if (next + 8 > extra + length) broken(extra, called + ": Zip64 numbers are missing");
        *value = number(next, 8);
        next += 8;
      }
    }
    extra += length;
  }

  if ((flags & 1) != 0) broken(at, called + ": is encrypted; save the weights without a password");
  if (method != 0 && method != 8)
    broken(at, called + ": is compressed by method " + std::to_string(method) + "; stored and deflated ones are read");
  if (!entry.deflated && stored != entry.size) broken(at, called + ": is stored, but with two sizes");
  if (stored > file_.size() || entry.size > stored * deflate_ratio + deflate_ratio)
    broken(at, called + ": " + std::to_string(entry.size) + " bytes cannot come out of " + std::to_string(stored) +
                   " in a file of " + std::to_string(file_.size()));

  need(header, local_size, directory_at);
  if (number(header, 4) != local_mark) broken(header, called + ": no header where the directory says");
  const std::uint64_t own_name = number(header + 26, 2), own_extra = number(header + 28, 2);
  need(header + local_size, own_name + own_extra, directory_at);
  if (text_of(file_.subspan(static_cast<std::size_t>(header + local_size), static_cast<std::size_t>(own_name))) !=
      entry.name)
    broken(header, called + ": has another name in its own header");
  if (number(header + 6, 2) != flags || number(header + 8, 2) != method)
    broken(header, called + ": is of another kind in its own header");
  const bool sizes_behind = (flags & 8) != 0;  // a data descriptor behind the data repeats what the directory says
  for (const auto& [place, value] : {std::pair{header + 18, stored}, {header + 22, entry.size}})
    if (const std::uint64_t own = number(place, 4); own != elsewhere && own != value && !(sizes_behind && own == 0))
      broken(place, called + ": has another size in its own header");
  const std::uint64_t data = header + local_size + own_name + own_extra;
  need(data, stored, directory_at);
  entry.stored = file_.subspan(static_cast<std::size_t>(data), static_cast<std::size_t>(stored));
  entries_.push_back(std::move(entry));
  headers_.push_back(header);
  return at + directory_size + name_size + extra_size + comment_size;
}

void ZipReader::check_places(std::uint64_t directory_at) {
  std::vector<std::size_t> order(entries_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return headers_[a] < headers_[b]; });
  std::uint64_t free = 0;  // what lies before belongs to the entries before
  for (const std::size_t i : order) {
    const std::string called = "zip entry " + printable(entries_[i].name);
    if (!index_.emplace(entries_[i].name, i).second) broken(headers_[i], called + ": is there twice");
    if (headers_[i] < free) broken(headers_[i], called + ": overlaps the one before");
    free = static_cast<std::uint64_t>(entries_[i].stored.data() - file_.data()) + entries_[i].stored.size();
  }
  if (free > directory_at) broken(free, "an entry overlaps the zip directory");
}

const ZipReader::Entry* ZipReader::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

ByteSpan ZipReader::read(const Entry& entry) {
  const auto offset = static_cast<std::uint64_t>(entry.stored.data() - file_.data());
  const std::string called = "zip entry " + printable(entry.name);
  ByteSpan bytes = entry.stored;
  if (entry.deflated) {
    const std::uint64_t most = free_bytes + ratio * file_.size();
    if (entry.size > most || inflated_bytes_ > most - entry.size)
      broken(offset, called + ": more than " + std::to_string(most) +
                         " bytes would come out of this file; decompress it yourself if you trust it");
    inflated_bytes_ += entry.size;
    z_stream stream = {};
    if (inflateInit2(&stream, -15) != Z_OK) throw std::bad_alloc();  // deflate without a header
    const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, inflateEnd);
    Bytes& out = inflated_.emplace_back(static_cast<std::size_t>(entry.size) + 1);  // one more, to notice more
    constexpr std::size_t most_at_once = std::numeric_limits<uInt>::max();
    std::size_t in_at = 0, out_at = 0;
    int status = Z_OK;
    while (status == Z_OK && out_at < out.size()) {
      const auto in = static_cast<uInt>(std::min(bytes.size() - in_at, most_at_once));
      const auto room = static_cast<uInt>(std::min(out.size() - out_at, most_at_once));
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data() + in_at));  // zlib only reads it
      stream.avail_in = in;
      stream.next_out = reinterpret_cast<Bytef*>(out.data() + out_at);
      stream.avail_out = room;
      status = inflate(&stream, Z_NO_FLUSH);
      in_at += in - stream.avail_in;
      out_at += room - stream.avail_out;
    }
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status != Z_STREAM_END || out_at != entry.size || in_at != bytes.size())
      broken(offset, called + ": the deflated data is damaged, or not of the size that the directory says");
    out.resize(out_at);
    bytes = out;
  }
  if (crc_of(bytes) != entry.crc) broken(offset, called + ": its CRC-32 is another; the file is damaged");
  return bytes;
}

// ---- writing -----------------------------------------------------------------------------------------------------------

void ZipWriter::add(const std::string& name, std::string text) {
  const std::string& kept = texts_.emplace_back(std::move(text));
  add(name, bytes_of(kept));
}

void ZipWriter::add(const std::string& name, ByteSpan bytes) {
  if (const char* fault = fault_of(name))
    throw WeightsError("a zip archive cannot hold " + printable(name) + ": the name " + fault + "; take .safetensors");
  constexpr std::uint64_t alignment = 64, extra_head = 4;
  constexpr std::uint64_t date = 33;  // the first of January 1980, the earliest there is
  const std::uint64_t padding = (alignment - (at_ + local_size + name.size() + extra_head) % alignment) % alignment;
  std::string common;                                                             // of both headers
  put(common, 0, 2), put(common, 0, 2), put(common, 0, 2), put(common, date, 2);  // flags, method, time, date
  put(common, crc_of(bytes), 4), put(common, bytes.size(), 4), put(common, bytes.size(), 4), put(common, name.size(), 2);

  std::string local;
  put(local, local_mark, 4), put(local, 20, 2);  // version 2.0
  local += common;
  put(local, extra_head + padding, 2);
  local += name;
  put(local, 0x4246, 2), put(local, padding, 2);  // "FB", PyTorch's name for padding
  local.append(static_cast<std::size_t>(padding), 'Z');

  put(directory_, directory_mark, 4), put(directory_, 20, 2), put(directory_, 20, 2);
  directory_ += common;
  put(directory_, 0, 2), put(directory_, 0, 2), put(directory_, 0, 2), put(directory_, 0, 2), put(directory_, 0, 4);
  put(directory_, at_, 4);
  directory_ += name;

  parts_.push_back(bytes_of(texts_.emplace_back(std::move(local))));
  parts_.push_back(bytes);
  at_ += parts_[parts_.size() - 2].size() + bytes.size();
  ++entries_;
}

std::vector<ByteSpan> ZipWriter::finish() {
  if (at_ + directory_.size() >= elsewhere || entries_ >= 0xffff)
    throw WeightsError("an archive of 4 GiB or 65,535 entries is not written; take .safetensors");
  std::string end;
  put(end, end_mark, 4), put(end, 0, 4), put(end, entries_, 2), put(end, entries_, 2);
  put(end, directory_.size(), 4), put(end, at_, 4), put(end, 0, 2);
  parts_.push_back(bytes_of(texts_.emplace_back(std::move(directory_))));
  parts_.push_back(bytes_of(texts_.emplace_back(std::move(end))));
  return std::move(parts_);
}

}  // namespace tessera
