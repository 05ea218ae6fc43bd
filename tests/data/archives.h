// Files as Python 2's pickle, tar and gzip write them, for the tests of readers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/deflate.h"

namespace tessera::test {

inline std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 255);
  return text;
}

// ---- pickle: opcodes with their arguments
inline std::string pickled_text(const std::string& text) {
  return text.size() < 256 ? "U" + little_endian(static_cast<std::uint32_t>(text.size()), 1) + text
                           : "T" + little_endian(static_cast<std::uint32_t>(text.size()), 4) + text;
}
inline std::string pickled_number(int value) {
  if (value >= 0 && value < 256) return "K" + little_endian(static_cast<std::uint32_t>(value), 1);
  if (value >= 0 && value < 65536) return "M" + little_endian(static_cast<std::uint32_t>(value), 2);
  return "J" + little_endian(static_cast<std::uint32_t>(value), 4);
}
inline std::string pickled_labels(const std::vector<int>& labels) {
  std::string text = "](";
  for (const int label : labels) text += pickled_number(label);
  return text + "e";
}
inline const std::string pickled_dtype = "cnumpy\ndtype\n" + pickled_text("u1") + "K\x01K\x01\x87R(K\x03" +
                                         pickled_text("|") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" +
                                         std::string(1, '\0') + "tb";
inline std::string pickled_array(int rows, int columns, const std::string& bytes) {
  return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + std::string(1, '\0') + "\x85" + pickled_text("b") +
         "\x87R(K\x01" + pickled_number(rows) + pickled_number(columns) + "\x86" + pickled_dtype + "\x89" +
         pickled_text(bytes) + "tb";
}
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

// A batch of CIFAR-10's python version from records of the binary version.
inline std::string cifar_pickle(const std::string& records) {
  constexpr std::size_t record = 3073;
  std::vector<int> labels;
  std::string data;
  for (std::size_t i = 0; i < records.size(); i += record) {
    labels.push_back(static_cast<unsigned char>(records[i]));
    data += records.substr(i + 1, record - 1);
  }
  return pickle("}q\x01(" + pickled_text("batch_label") + pickled_text("training batch 1 of 5") + pickled_text("labels") +
                pickled_labels(labels) + pickled_text("data") + pickled_array(static_cast<int>(labels.size()), 3072, data) +
                pickled_text("filenames") + "](" + pickled_text("a.png") + "eu");
}
inline std::string names_pickle(const std::vector<std::string>& names) {
  std::string list = "](";
  for (const std::string& name : names) list += pickled_text(name);
  return pickle("}(" + pickled_text("label_names") + list + "eu");
}

// ---- tar and gzip
struct TarEntry {
  std::string name, content = "";
  char kind = '0';
  std::string size = "";  // as written into the header; empty: the content's
};

inline std::string tar_block(const TarEntry& entry) {
  std::string header(512, '\0');
  const auto put_at = [&](std::size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  char octal[16];
  std::snprintf(octal, sizeof octal, "%011zo", entry.content.size());
  put_at(0, entry.name.substr(0, 100));
  put_at(100, "0000644");
  put_at(124, entry.size.empty() ? octal : entry.size);
  put_at(136, "00000000000");
  put_at(148, "        ");
  header[156] = entry.kind;
  put_at(257, std::string("ustar\0"
                          "00",
                          8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(octal, sizeof octal, "%06o", sum);
  put_at(148, std::string(octal) + std::string("\0 ", 2));
  return header;
}
inline std::string tar(const std::vector<TarEntry>& entries) {
  std::string archive;
  for (const TarEntry& entry : entries)
    archive += tar_block(entry) + entry.content + std::string((512 - entry.content.size() % 512) % 512, '\0');
  return archive + std::string(1024, '\0');
}

inline std::string gzip(const std::string& text) { return tests::deflated(text, tests::Wrapping::gzip); }

}  // namespace tessera::test
