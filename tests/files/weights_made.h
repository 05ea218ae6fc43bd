// Files of weights made by hand, of which any field can be a lie.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/deflate.h"

namespace tessera::test {

inline std::string number(std::uint64_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

// ---- zip archives of which any field can be a lie -----------------------------------------------------------------------

struct Member {
  std::string name, stored;
  std::uint64_t size = 0;  // that comes out; 0: as it is stored
  std::uint32_t method = 0, flags = 0;
  std::uint32_t crc = 0;  // 0: the right one of `stored`
};

struct Archive {
  std::string bytes;
  std::vector<std::size_t> headers, directory;  // where each member's two headers stand
  std::size_t end = 0;
};

inline Archive archive_of(const std::vector<Member>& members) {
  Archive archive;
  const auto common = [](const Member& m) {
    const auto crc = m.crc ? m.crc
                           : static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(m.stored.data()),
                                                              static_cast<uInt>(m.stored.size())));
    return number(20, 2) + number(m.flags, 2) + number(m.method, 2) + number(0, 4) + number(crc, 4) +
           number(m.stored.size(), 4) + number(m.size ? m.size : m.stored.size(), 4) + number(m.name.size(), 2) +
           number(0, 2);
  };
  for (const Member& m : members) {
    archive.headers.push_back(archive.bytes.size());
    archive.bytes += "PK\x03\x04" + common(m) + m.name + m.stored;
  }
  const std::size_t start = archive.bytes.size();
  for (std::size_t i = 0; i < members.size(); ++i) {
    archive.directory.push_back(archive.bytes.size());
    archive.bytes +=
        "PK\x01\x02" + number(20, 2) + common(members[i]) + number(0, 10) + number(archive.headers[i], 4) + members[i].name;
  }
  archive.end = archive.bytes.size();
  archive.bytes += "PK\x05\x06" + number(0, 4) + number(members.size(), 2) + number(members.size(), 2) +
                   number(archive.end - start, 4) + number(start, 4) + number(0, 2);
  return archive;
}

inline std::string with(Archive archive, std::size_t at, const std::string& bytes) {
  archive.bytes.replace(at, bytes.size(), bytes);
  return archive.bytes;
}

inline std::string deflated(const std::string& plain) { return tests::deflated(plain, tests::Wrapping::none); }

inline std::uint32_t crc_of(const std::string& text) {
  return static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

// ---- arrays, pickles ----------------------------------------------------------------------------------------------------

inline std::string npy(const std::string& header, const std::string& data) {
  return "\x93NUMPY\x01" + std::string(1, '\0') + number(header.size(), 2) + header + data;
}
inline const std::string three = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", std::string(12, '\0'));

inline std::string npz(const std::string& array) { return archive_of({{"a.npy", array}}).bytes; }
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }
inline std::string word(const std::string& text) { return "X" + number(text.size(), 4) + text; }

// A state dict of one tensor "w", with what stands between the parentheses of _rebuild_tensor_v2's call.
inline std::string torch(const std::string& storage_id, const std::string& rest,
                         const std::string& data = std::string(24, '\0')) {
  return archive_of({{"a/data.pkl", pickle("}" + word("w") + "ctorch._utils\n_rebuild_tensor_v2\n(" + storage_id + "Q" +
                                           rest + "\x89}tRs")},
                     {"a/byteorder", "little"},
                     {"a/data/0", data}})
      .bytes;
}
inline std::string storage(const std::string& count) {
  return word("storage") + "ctorch\nFloatStorage\n" + word("0") + word("cpu") + count + "t";
}
inline const std::string six = "(" + storage("K\x06"), whole = "K" + std::string(1, '\0') + "K\x02K\x03\x86K\x03K\x01\x86";

inline std::string torch_pickle(const std::string& body) { return archive_of({{"a/data.pkl", pickle(body)}}).bytes; }

// A NumPy array of these extents, an opcode each, and elements.
inline std::string array(const std::string& extents, const std::string& elements) {
  const std::string zero(1, '\0');
  return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + zero + "\x85" + word("b") + "\x87R(K\x01(" + extents +
         "tcnumpy\ndtype\n" + word("f4") + "\x89\x88\x87R(K\x03" + word("<") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" +
         zero + "tb\x89" + "B" + number(elements.size(), 4) + elements + "tb";
}
inline std::string repeated(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

struct Case {
  const char* what;
  std::string file, reason;
};

}  // namespace tessera::test
