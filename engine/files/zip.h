// Zip archives in memory, read and written. Nothing is ever unpacked to disk, and no name in an archive is used as a path.
//
// An archive is hostile until checked. When it is opened:
//   the end record is the file's last (a comment may stand in it), names one disk, and its directory (Zip64's too) is where
//   it says, with as many entries as it says; at most 65,536;
//   every entry lies in front of the directory with its own header, under the same name, and no two overlap;
//   it is stored or deflated, not encrypted; a stored one has one size, a deflated one at most 1,032 times its own;
//   names are unique, relative, without `..`, backslashes, drive letters or zero bytes.
// When an entry is read: what comes out has the size and the CRC-32 that the directory says, and altogether at most 64 MiB
// and 16 times the file are decompressed, however much sizes promise.
// Breaches are errors with the file, the offset and the reason. Source: PKWARE's APPNOTE.TXT 6.3.10.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/io.h"

namespace tessera {

class ZipReader {
 public:
  struct Entry {
    std::string name;
    bool deflated = false;
    std::uint32_t crc = 0;
    std::uint64_t size = 0;  // of what comes out
    ByteSpan stored = {};    // as it is in the file
  };

  // `file` must outlive it; `where` names it in errors, which have the exit code given here.
  ZipReader(ByteSpan file, const std::string& where, ExitCode on_error);

  const std::vector<Entry>& entries() const { return entries_; }  // in the order of the directory
  const Entry* find(std::string_view name) const;                 // null where there is none

  // What is in the entry: a part of the file, or of what the reader has decompressed and keeps.
  ByteSpan read(const Entry& entry);

  // What `read` has decompressed, handed over: spans into it stay valid.
  std::deque<Bytes> release() { return std::move(inflated_); }

 private:
  struct Directory {
    std::uint64_t at = 0, size = 0, entries = 0;
  };
  [[noreturn]] void broken(std::uint64_t offset, const std::string& reason) const;
  std::uint64_t number(std::uint64_t at, std::size_t bytes) const;
  Directory find_directory() const;
  std::uint64_t add_entry(std::uint64_t at, std::uint64_t directory_at);
  void check_places(std::uint64_t directory_at);

  ByteSpan file_;
  std::string where_;
  ExitCode on_error_;
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> headers_;  // where each entry begins
  std::map<std::string, std::size_t, std::less<>> index_;
  std::deque<Bytes> inflated_;
  std::uint64_t inflated_bytes_ = 0;
};

// Writes stored entries, their data aligned to 64 bytes. The same entries give the same bytes: there is no time in them.
class ZipWriter {
 public:
  // WeightsError where ZipReader would refuse the name. The bytes must outlive the writer.
  void add(const std::string& name, ByteSpan bytes);
  void add(const std::string& name, std::string text);

  // The archive, part after part, once. WeightsError where it would be 4 GiB or more, which takes Zip64.
  std::vector<ByteSpan> finish();

 private:
  std::deque<std::string> texts_;
  std::vector<ByteSpan> parts_;
  std::string directory_;
  std::uint64_t at_ = 0;
  std::size_t entries_ = 0;
};

}  // namespace tessera
