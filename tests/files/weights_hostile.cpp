// Weights that mean harm: each ends in one WeightsError that says where, nothing is executed, nothing is written.
#include <functional>

#include "engine/files/npy.h"
#include "engine/files/state_dict.h"
#include "engine/files/weights_file.h"
#include "tests/catch.h"
#include "tests/files/support.h"
#include "tests/files/weights_made.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// `count` tensors of 1 MiB, all the same.
std::string torch_views(int count) {
  const std::string zero(1, '\0');
  std::string body = "}(";
  for (int i = 0; i < count; ++i)
    body += word("w" + std::to_string(i)) + "ctorch._utils\n_rebuild_tensor_v2\n((" + storage("J" + number(1 << 18, 4)) +
            "QK" + zero + "J" + number(1 << 18, 4) + "\x85K\x01\x85\x89}tR";
  return archive_of({{"a/data.pkl", pickle(body + "u")}, {"a/data/0", std::string(1 << 20, '\0')}}).bytes;
}
std::string paddle_views(int count) {
  std::string body = "}(" + word("w") + array("J" + number(1 << 18, 4), std::string(1 << 20, '\0')) + "q\x01";
  for (int i = 1; i < count; ++i) body += word("w" + std::to_string(i)) + "h\x01";
  return pickle(body + "u");
}

}  // namespace

TEST_CASE("hostile weights are refused, and nothing in them is executed", "[weights][hostile]") {
  const TemporaryFolder folder;
  const std::string witness = (folder / "witness").string(), zero(1, '\0');
  const std::string bomb(3 << 20, 'x'), squeezed = deflated(bomb);
  const Archive one = archive_of({{"a.npy", three}}), two = archive_of({{"a.npy", three}, {"b.npy", three}});
  const std::string command = word("touch " + witness) + "\x85R";
  std::vector<Member> many;
  for (int i = 0; i < 40; ++i) {
    std::string plain = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3145600,), }", std::string(3145600, '\0'));
    many.push_back({"m" + std::to_string(i) + ".npy", deflated(plain), plain.size(), 8, 0, crc_of(plain)});
  }

  REQUIRE(parse_weights(to_bytes(npz(three)), "f").tensors().size() == 1);
  REQUIRE(parse_weights(to_bytes(torch(six, whole)), "f").tensors().size() == 1);
  REQUIRE(parse_weights(to_bytes(torch_views(60)), "f").tensors().size() == 60);
  REQUIRE(parse_weights(to_bytes(paddle_views(60)), "f").tensors().size() == 60);
  const std::vector<Case> cases = {
      // pickles that call
      {"os.system", torch_pickle("cos\nsystem\n" + command), "asks for 'os.system'"},
      {"posix.system in Paddle's", pickle("cposix\nsystem\n" + command), "'posix.system'"},
      {"eval", torch_pickle("cbuiltins\neval\n" + word("1") + "\x85R"), "'builtins.eval'"},
      {"a stacked name", "\x80\x04" + word("os") + word("system") + "\x93" + command + ".", "'os.system'"},
      {"getattr by tuple", torch_pickle("cbuiltins\ngetattr\n" + word("a") + word("b") + "\x86R"), "'builtins.getattr'"},
      {"torch.load inside", torch_pickle("ctorch\nload\n" + word("x") + "\x85R"), "'torch.load'"},
      {"a class of the user's", torch_pickle("c__main__\nNet\n)\x81"), "'__main__.Net'"},
      {"NEWOBJ of a known name", torch_pickle("ccollections\nOrderedDict\n)\x81"), "opcode 0x81"},
      {"INST", torch_pickle("(ios\nsystem\n"), "opcode 0x69"},
      {"tuple of a number", torch_pickle("cbuiltins\ntuple\nK\x01\x85R"), "nothing was executed"},
      {"encode to utf-7", torch_pickle("c_codecs\nencode\n" + word("x") + word("utf7") + "\x86R"), "nothing was executed"},
      {"a storage of a function",
       torch_pickle("(" + word("storage") + "cbuiltins\ntuple\n" + word("0") + word("cpu") + "K\x01tQ"), "no storage"},
      {"text decoded again and again",
       pickle("(" + word(std::string(300, 'x')) + "q\x01" +
              [&] {
                std::string again;
                for (int i = 0; i < 50; ++i) again += "c_codecs\nencode\nh\x01" + word("latin1") + "\x86R";
                return again;
              }() +
              "t"),
       "again and again"},
      {"a frame beyond the file", "\x80\x04\x95" + number(1u << 30, 8) + "N.", "a frame of 1073741824 bytes"},
      {"bytes of 2^63", "\x80\x04\x8e" + number(std::uint64_t{1} << 63, 8) + "x", "bytes wanted"},
      {"the old form", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "before 1.6"},
      // tensors that lie
      {"a storage with more elements than bytes", torch("(" + storage("K\x07"), whole), "24 bytes, not 7 elements"},
      {"a storage that is not there",
       torch_pickle("}" + word("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" + six.substr(1) + "Q" + whole + "\x89}tRs"),
       "has no 'a/data/0'"},
      {"a shape beyond its storage", torch(six, "K" + zero + "K\x07\x85K\x01\x85"), "reaches beyond"},
      {"an offset beyond its storage", torch(six, "K\x06K\x01\x85K\x01\x85"), "reaches beyond"},
      {"a negative offset", torch(six, "J\xff\xff\xff\xffK\x01\x85K\x01\x85"), "reaches beyond"},
      {"a negative stride", torch(six, "K\x05K\x02\x85J\xff\xff\xff\xff\x85"), "reaches beyond"},
      {"a stride of 2^62", torch(six, "K" + zero + "K\x03\x85\x8a\x08" + number(std::uint64_t{1} << 62, 8) + "\x85"),
       "reaches beyond"},
      {"a negative extent", torch(six, "K" + zero + "J\xff\xff\xff\xff\x85K\x01\x85"), "negative extent"},
      {"extents of 2^64 bytes",
       torch(six, "K" + zero + "\x8a\x08" + number(std::uint64_t{1} << 40, 8) + "\x8a\x08" +
                      number(std::uint64_t{1} << 40, 8) + "\x86K" + zero + "K" + zero + "\x86"),
       "2^63 bytes"},
      {"a gigabyte out of one element", torch(six, "K" + zero + "J" + number(1u << 28, 4) + "\x85K" + zero + "\x85"),
       "larger than the file"},
      {"one storage again and again", torch_views(90), "more than the file vouches for"},
      {"one array again and again", paddle_views(90), "more than the file vouches for"},
      {"an array of 33 axes", pickle("}" + word("w") + array(repeated("K\x01", 33), "1234") + "s"), "an array of 33 axes"},
      {"a name that is not UTF-8", archive_of({{"\xff.npy", three}}).bytes, "is not UTF-8"},
      {"strides for another rank", torch(six, "K" + zero + "K\x02K\x03\x86K\x01\x85"), "another number of axes"},
      {"big-endian", archive_of({{"a/data.pkl", pickle("}")}, {"a/byteorder", "big"}}).bytes, "not little-endian"},
      {"no state dict", torch_pickle("}" + word("epoch") + "K\x03s"), "its keys: 'epoch'"},
      {"two pickles", archive_of({{"a/data.pkl", pickle("}")}, {"b/data.pkl", pickle("}")}}).bytes, "two data.pkl"},
      // zip archives
      {"a name that leads out", archive_of({{"../../etc/cron.d/x.npy", three}}).bytes, "leads out of the archive"},
      {"an absolute name", archive_of({{"/etc/passwd.npy", three}}).bytes, "is not relative"},
      {"a drive", archive_of({{"C:x.npy", three}}).bytes, "is not relative"},
      {"backslashes", archive_of({{"..\\x.npy", three}}).bytes, "has a backslash"},
      {"a zero byte in a name", archive_of({{"a.npy" + zero + ".png", three}}).bytes, "zero byte"},
      {"a name twice", archive_of({{"a.npy", three}, {"a.npy", three}}).bytes, "is there twice"},
      {"two entries in one place", with(two, two.directory[1] + 42, number(0, 4)), "another name in its own header"},
      {"an entry that reaches into the next",
       with({with(two, two.directory[0] + 20, number(three.size() + 40, 4) + number(three.size() + 40, 4)), two.headers,
             two.directory, two.end},
            two.headers[0] + 18, number(three.size() + 40, 4) + number(three.size() + 40, 4)),
       "overlaps the one before"},
      {"a wrong CRC", with(one, one.headers[0] + 35, "\x92"), "CRC-32"},
      {"sizes that differ", with(one, one.headers[0] + 22, number(5, 4)), "another size in its own header"},
      {"stored with two sizes", with(one, one.directory[0] + 24, number(5, 4)), "with two sizes"},
      {"a size beyond the file", with(one, one.directory[0] + 20, number(1u << 31, 4) + number(1u << 31, 4)),
       "cannot come out of"},
      {"a gigabyte out of a kilobyte", archive_of({{"a.npy", deflated("x"), 1u << 30, 8, 0, 1}}).bytes,
       "cannot come out of"},
      {"a bomb that says less", archive_of({{"a.npy", squeezed, 1000, 8, 0, crc_of(bomb)}}).bytes, "not of the size"},
      {"a bomb that says more", archive_of({{"a.npy", squeezed, bomb.size() + 1, 8, 0, crc_of(bomb)}}).bytes,
       "not of the size"},
      {"forty bombs", archive_of(many).bytes, "would come out of this file"},
      {"encrypted", archive_of({{"a.npy", three, 0, 0, 1}}).bytes, "is encrypted"},
      {"another method", archive_of({{"a.npy", three, 0, 93}}).bytes, "method 93"},
      {"more entries than there are", with(one, one.end + 8, number(9, 2) + number(9, 2)), "9 entries in a zip directory"},
      {"several disks", with(one, one.end + 4, number(1, 2)), "several disks"},
      {"a directory elsewhere", with(one, one.end + 16, number(1, 4)), "is not where it should be"},
      {"a directory of 4 GiB", with(one, one.end + 12, number(0xfffffff0, 4)), "is not where it should be"},
      {"cut", one.bytes.substr(0, one.bytes.size() - 1), "the file was cut"},
      {"nothing but the mark", "PK\x03\x04", "ends too early"},
      {"neither of torch nor of NumPy", archive_of({{"evil.exe", "MZ"}}).bytes, "its first entry is 'evil.exe'"},
      {"a stranger among arrays", archive_of({{"a.npy", three}, {"b.exe", "MZ"}}).bytes, "is no .npy file"},
      // arrays
      {"a header that is a program",
       npz(npy("{'descr': __import__('os').system('touch " + witness + "'), 'fortran_order': False, 'shape': (3,), }", "")),
       "no NumPy array"},
      {"objects", npz(npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", std::string(24, '\0'))), "type '|O'"},
      {"big-endian", npz(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }", std::string(12, '\0'))), "'>f4'"},
      {"fewer bytes than elements",
       npz(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", std::string(12, '\0'))),
       "take 16 bytes, but there are 12"},
      {"2^64 elements", npz(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "")),
       "2^63"},
      {"a negative extent", npz(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", "")), "not of numbers"},
      {"a header beyond the file", npz("\x93NUMPY\x02" + zero + number(0xffffffff, 4) + "{}"),
       "a header of 4294967295 bytes"},
      {"a key twice", npz(npy("{'descr': '<f4', 'descr': '<f4', 'shape': (3,), }", "")), "once each"},
  };
  CHECK(cases.size() >= 30);
  for (const Case& c : cases) {
    const std::string error = error_of<WeightsError>([&] { parse_weights(to_bytes(c.file), "FILE"); });
    INFO(c.what << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.starts_with("FILE: "));
    CHECK(error.size() < 500);
    put(folder / "file", c.file);
    std::string read = error_of<WeightsError>([&] { read_weights(folder / "file"); });
    CHECK(read.find(c.reason) != read.npos);
  }
  CHECK_FALSE(fs::exists(witness));
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("weights that were cut or changed anywhere are refused or read, nothing else", "[weights][hostile]") {
  std::vector<std::string> files;
  for (const char* name : {"state.pth", "stored.npz", "deflated.npz", "protocol2.pdparams", "protocol4.pdparams"})
    files.push_back(get(fs::path("files/samples") / name));
  std::uint32_t random = 1;
  int refused = 0;
  for (const std::string& file : files) {
    for (std::size_t length = 0; length < file.size(); length += 1 + file.size() / 300)
      CHECK_THROWS_AS(parse_weights(to_bytes(file.substr(0, length)), "cut"), WeightsError);
    for (int trial = 0; trial < 3000; ++trial) {
      std::string changed = file;
      for (int i = 0; i <= trial % 4; ++i) {
        random = random * 1664525 + 1013904223;
        changed[(random >> 8) % changed.size()] = static_cast<char>(random >> 24);
      }
      refused += !error_of<WeightsError>([&] { parse_weights(to_bytes(changed), "changed"); }).empty();
    }
  }
  CHECK(refused > 1000);
}
