#include "engine/data/cifar.h"
#include "engine/files/pickle.h"
#include "tests/catch.h"
#include "tests/data/archives.h"
#include "tests/data/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};

// Two training batches and a test batch, by file name.
std::vector<std::pair<std::string, std::string>> batches() {
  return {{"data_batch_1", cifar_records({3, 1})},
          {"data_batch_10", cifar_records({9, 0, 9})},
          {"data_batch_2", cifar_records({4})},
          {"test_batch", cifar_records({5, 8})}};
}

std::string names_text() {
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  return text + "\n";
}

void put_python_folder(const TemporaryFolder& folder) {
  for (const auto& [name, records] : batches()) put(folder / name, cifar_pickle(records));
  put(folder / "batches.meta", names_pickle(names));
}

std::vector<TarEntry> binary_members() {
  std::vector<TarEntry> members = {{.name = "cifar-10-batches-bin/", .kind = '5'},
                                   {.name = "cifar-10-batches-bin/readme.html", .content = "<html>"}};
  for (const auto& [name, records] : batches())
    members.push_back({.name = "cifar-10-batches-bin/" + name + ".bin", .content = records});
  members.push_back({.name = "cifar-10-batches-bin/batches.meta.txt", .content = names_text()});
  return members;
}

std::vector<TarEntry> python_members() {
  std::vector<TarEntry> members = {{.name = "pax", .content = "30 mtime=1234567890.123456789\n", .kind = 'x'},
                                   {.name = "cifar-10-batches-py/", .kind = '5'}};
  for (const auto& [name, records] : batches())
    members.push_back({.name = "cifar-10-batches-py/" + name, .content = cifar_pickle(records)});
  members.push_back({.name = "cifar-10-batches-py/batches.meta", .content = names_pickle(names)});
  return members;
}

void check_equal(const Dataset& a, const Dataset& b) {
  CHECK(a.train.pixels == b.train.pixels);
  CHECK(a.train.labels == b.train.labels);
  CHECK(a.test.pixels == b.test.pixels);
  CHECK(a.test.labels == b.test.labels);
  CHECK(a.classes == b.classes);
  REQUIRE(a.train_parts.size() == b.train_parts.size());
  for (std::size_t i = 0; i < a.train_parts.size(); ++i) {
    CHECK(a.train_parts[i].name == b.train_parts[i].name);
    CHECK(a.train_parts[i].begin == b.train_parts[i].begin);
    CHECK(a.train_parts[i].end == b.train_parts[i].end);
  }
}

std::string refusal(const fs::path& path) {
  return error_of<DataError>([&] { open_dataset(path.string()); });
}

}  // namespace

TEST_CASE("the four forms of CIFAR-10 give the same data set", "[cifar][python]") {
  const TemporaryFolder binary, python, archives;
  for (const auto& [name, records] : batches()) put(binary / (name + ".bin"), records);
  put(binary / "batches.meta.txt", names_text());
  put_python_folder(python);
  put(archives / "cifar-10-binary.tar.gz", gzip(tar(binary_members())));
  put(archives / "cifar-10-python.tar.gz", gzip(tar(python_members())));

  const Dataset data = open_dataset(binary.path().string());
  REQUIRE(data.train.labels == std::vector<std::int32_t>{3, 1, 4, 9, 0, 9});
  REQUIRE(data.classes == names);
  check_equal(open_dataset(python.path().string()), data);
  check_equal(open_dataset((archives / "cifar-10-binary.tar.gz").string()), data);
  check_equal(open_dataset((archives / "cifar-10-python.tar.gz").string()), data);
  CHECK(std::distance(fs::directory_iterator(archives.path()), fs::directory_iterator()) == 2);  // nothing was extracted
}

TEST_CASE("the official files give the same data set", "[cifar][python]") {
  const char* place = std::getenv("TESSERA_DATA");  // the folder that holds cifar-10-batches-bin and cifar-10-batches-py
  if (place == nullptr || !fs::exists(fs::path(place) / "cifar-10-batches-py")) {
    WARN("skipped: set TESSERA_DATA to the folder that holds cifar-10-batches-bin and cifar-10-batches-py");
    return;
  }
  const Dataset binary = open_dataset((fs::path(place) / "cifar-10-batches-bin").string());
  check_equal(open_dataset((fs::path(place) / "cifar-10-batches-py").string()), binary);
  CHECK(binary.train.count == 50000);
  CHECK(binary.warnings.empty());
}

TEST_CASE("class names of a python folder that are not sane are replaced", "[cifar][python]") {
  const TemporaryFolder folder;
  put_python_folder(folder);
  for (const std::string& meta :
       {std::string("junk"), names_pickle({"a", "b"}), names_pickle({"a", "a", "c", "d", "e", "f", "g", "h", "i", "j"}),
        names_pickle({"a\x1b", "b", "c", "d", "e", "f", "g", "h", "i", "j"}), std::string(10000, 'x')}) {
    put(folder / "batches.meta", meta);
    const Dataset data = open_dataset(folder.path().string());
    CHECK(data.classes[9] == "truck");
    CHECK(data.warnings[data.warnings.size() - 2].find("does not hold 10 class names") != std::string::npos);
  }
}

TEST_CASE("hostile pickles are refused, and nothing in them is executed", "[pickle][hostile]") {
  const TemporaryFolder folder;
  const std::string witness = (folder / "witness").string(), good = cifar_pickle(cifar_records({1, 2}));
  const std::string zero(1, '\0');
  std::string deep = "\x80\x02", marks = "\x80\x02";
  for (int i = 0; i < 1'000'000; ++i) deep += "]";
  for (int i = 0; i < 999'999; ++i) deep += "a";  // a million lists, each in the next
  for (int i = 0; i < 65; ++i) marks += "(";
  std::string many = "\x80\x02";
  many.append(2'000'001, 'N');
  std::string copies = pickle("N").substr(0, 3) + "q" + zero;
  for (int i = 0; i < 2'000'001; ++i) copies += "h" + zero;

  struct Case {
    const char* what;
    std::string file, reason;
  };
  const std::vector<Case> cases = {
      {"os.system", pickle("cos\nsystem\n" + pickled_text("touch " + witness) + "\x85R"), "asks for 'os.system'"},
      {"posix.system", pickle("cposix\nsystem\n" + pickled_text("touch " + witness) + "\x85R"), "'posix.system'"},
      {"eval", pickle("c__builtin__\neval\n" + pickled_text("1") + "\x85R"), "'__builtin__.eval'"},
      {"codecs", pickle("c_codecs\nencode\n" + pickled_text("1") + "\x85R"), "'_codecs.encode'"},
      {"a dotted name", pickle("cnumpy\nndarray.__class__\n"), "'numpy.ndarray.__class__'"},
      {"a name of control characters", pickle("c\x1b[2J\nx\n"), "'\\x1b[2J.x'"},
      {"an endless name",
       "\x80\x02"
       "c" +
           std::string(5000, 'x'),
       "a name of more than 200 bytes"},
      {"calling ndarray", pickle("cnumpy\nndarray\nK\x01\x85R"), "nothing was executed"},
      {"calling a text", pickle(pickled_text("x") + ")R"), "nothing was executed"},
      {"INST", pickle("(ios\nsystem\n"), "opcode 0x69"},
      {"OBJ", pickle("(cnumpy\ndtype\no"), "opcode 0x6f"},
      {"NEWOBJ", pickle("cnumpy\ndtype\n)\x81"), "opcode 0x81"},
      {"EXT1", pickle("\x82\x01"), "opcode 0x82"},
      {"PERSID", pickle("Px\n"), "opcode 0x50"},
      {"STACK_GLOBAL", pickle(pickled_text("os") + pickled_text("system") + "\x93"), "opcode 0x93"},
      {"protocol 4", "\x80\x04\x95" + std::string(8, '\0') + "N.", "no pickle of protocol 2"},
      {"protocol 0", "(lp0\n.", "no pickle of protocol 2"},
      {"error page", "<html>404</html>", "no pickle of protocol 2"},
      {"empty", "", "no pickle of protocol 2"},
      {"no end", "\x80\x02N", "ends too early"},
      {"text of 4 GiB",
       "\x80\x02T\xff\xff\xff\xff"
       "abc",
       "4294967295 bytes wanted"},
      {"an integer of 255 bytes", pickle("\x8a\xff" + std::string(255, '\x7f')), "an integer of 255 bytes"},
      {"memo 4294967295", pickle("Nr\xff\xff\xff\xff"), "memo number 4294967295"},
      {"memo never stored", pickle("h\x07"), "memo number 7 was never stored"},
      {"memo of nothing", pickle("q\x01"), "empty stack"},
      {"a million lists deep", deep + ".", "holds a list, not a dictionary"},
      {"65 marks", marks, "deeper than 64 marks"},
      {"two million values", many, "more than 2000000 values"},
      {"two million copies", copies, "more than 2000000 values"},
      {"a list in itself",
       pickle("]q\x01h\x01"
              "a"),
       "holds a list, not a dictionary"},
      {"no mark", pickle("]e"), "a mark that is not there"},
      {"taking below a mark", pickle("N(\x85"), "empty stack"},
      {"a key without a value", pickle("}(Nu"), "a key without a value"},
      {"appending to a dictionary", pickle("}Na"), "adds to a dictionary as if it were a list"},
      {"state for a list", pickle("])b"), "a state given to a list"},
      {"garbage behind the end", good + "x", "goes on behind the end"},
      {"two results", pickle("NN"), "a stack of 2"},
      {"no result", pickle(""), "a stack of 0"},
      {"array larger than its bytes", pickle("}(" + pickled_text("data") + pickled_array(65535, 3072, "x") + "u"),
       "201323520 bytes by its extents"},
      {"array of 2^62 bytes",
       pickle("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + zero +
              "\x85U\x01"
              "b\x87R(K\x01\x8a\x08" +
              std::string(7, '\xff') + "\x7f\x8a\x08" + std::string(7, '\xff') + "\x7f\x86" + pickled_dtype + "\x89U" +
              zero + "tb"),
       "too large"},
      {"negative extent",
       pickle("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + zero +
              "\x85U\x01"
              "b\x87R(K\x01J\xff\xff\xff\xff\x85" +
              pickled_dtype + "\x89U" + zero + "tb"),
       "no numbers"},
      {"array of objects", pickle("cnumpy\ndtype\nU\x02O8K\x01K\x01\x87R"), "nothing was executed"},
      {"no data", pickle("}"), "has no 'data'"},
      {"data twice", pickle("}(" + pickled_text("data") + "N" + pickled_text("data") + "Nu"), "has 'data' twice"},
      {"data is a number", pickle("}" + pickled_text("data") + "K\x01s"), "'data' is a integer"},
      {"no labels", pickle("}" + pickled_text("data") + pickled_array(1, 3072, std::string(3072, 'x')) + "s"),
       "has no 'labels'"},
      {"rows of 3071",
       pickle("}(" + pickled_text("data") + pickled_array(1, 3071, std::string(3071, 'x')) + pickled_text("labels") +
              pickled_labels({1}) + "u"),
       "rows of 3072"},
      {"two labels for one image",
       pickle("}(" + pickled_text("data") + pickled_array(1, 3072, std::string(3072, 'x')) + pickled_text("labels") +
              pickled_labels({1, 2}) + "u"),
       "2 labels for 1 images"},
      {"label 10", cifar_pickle(cifar_records({3, 10})), "label 1 is 10, not a number from 0 to 9"},
      {"label -1",
       pickle("}(" + pickled_text("data") + pickled_array(1, 3072, std::string(3072, 'x')) + pickled_text("labels") +
              pickled_labels({-1}) + "u"),
       "label 0 is -1"},
      {"label of text",
       pickle("}(" + pickled_text("data") + pickled_array(1, 3072, std::string(3072, 'x')) + pickled_text("labels") +
              "]U\x01"
              "3au"),
       "label 0 is text"},
  };
  CHECK(cases.size() >= 25);
  put_python_folder(folder);
  for (const Case& c : cases) {
    put(folder / "data_batch_2", c.file);
    const std::string error = refusal(folder.path());
    INFO(c.what << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.find("data_batch_2") != error.npos);
    CHECK(error.find('\n') == error.npos);
    CHECK(error.find('\x1b') == error.npos);
    CHECK(error.size() < 400);
  }
  CHECK_FALSE(fs::exists(witness));
}

TEST_CASE("a pickle that was cut or changed anywhere is refused or decoded, nothing else", "[pickle][hostile]") {
  const std::string good = names_pickle(names), batch = cifar_pickle(cifar_records({1}));
  for (const std::string& file : {good, batch})
    for (std::size_t length = 0; length<file.size(); length += file.size()> 1000 && length > 400 ? 37 : 1)
      CHECK_THROWS_AS(Pickle::decode(bytes_of(std::string_view(file).substr(0, length)), "cut"), DataError);
  std::uint32_t random = 1;
  int refused = 0, decoded = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    std::string file = trial % 2 == 0 ? good : batch.substr(0, 400) + batch.substr(batch.size() - 60);
    for (int i = 0; i <= trial % 4; ++i) {
      random = random * 1664525 + 1013904223;
      file[(random >> 8) % file.size()] = static_cast<char>(random >> 24);
    }
    try {
      Pickle::decode(bytes_of(file), "changed").at("label_names", Pickle::Kind::list);
      ++decoded;
    } catch (const DataError&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
  CHECK(decoded > 100);
}

TEST_CASE("hostile archives are refused, and nothing is written", "[tar][hostile]") {
  struct Case {
    const char* what;
    std::string file, reason;
  };
  const auto with = [](TarEntry entry) {
    std::vector<TarEntry> members = binary_members();
    members.insert(members.begin() + 2, std::move(entry));
    return gzip(tar(members));
  };
  const std::string good = tar(binary_members()), packed = gzip(good), record = cifar_records({1});
  std::string checksum = good;
  checksum[10] ^= 1;
  std::string damaged = packed;
  damaged[packed.size() / 2] ^= 0x40;
  std::vector<TarEntry> huge = {{.name = "padding", .content = std::string(1 << 20, '\0')}};
  std::string bomb = tar(huge);
  bomb.resize(bomb.size() - 1024);
  std::string bombs;  // a small file, more than 1 GiB behind it
  const std::string one = gzip(bomb);
  for (int i = 0; i < 1024; ++i) bombs += one;
  const std::vector<Case> cases = {
      {"a name that climbs", with({.name = "../../data_batch_7.bin", .content = record}), "climbs out of its folder"},
      {"an absolute name that climbs", with({.name = "/tmp/../data_batch_7.bin", .content = record}),
       "climbs out of its folder"},
      {"symbolic link as a batch", with({.name = "x/data_batch_7.bin", .kind = '2'}), "a link in place of data"},
      {"hard link as a batch", with({.name = "x/test_batch.bin", .kind = '1'}), "a link in place of data"},
      {"a batch twice", with({.name = "x/data_batch_2.bin", .content = record}), "this file twice"},
      {"test batch twice", with({.name = "x/test_batch.bin", .content = record}), "this file twice"},
      {"both versions", with({.name = "x/data_batch_3", .content = cifar_pickle(record)}),
       "mixes the binary and the python version"},
      {"a cut record", with({.name = "data_batch_3.bin", .content = record.substr(1)}), "the last record has 3072 bytes"},
      {"an empty batch", with({.name = "data_batch_3.bin"}), "the file is empty"},
      {"1 TiB by its header", with({.name = "data_batch_3.bin", .content = record, .size = "177777777777"}),
       "more than 1 GiB"},
      {"8 GiB by its header", with({.name = "readme", .content = record, .size = "77777777777"}), "more than 1 GiB"},
      {"a size that is no number", with({.name = "readme", .content = record, .size = "12345x"}), "not an octal number"},
      {"a size in base 256", with({.name = "readme", .content = record, .size = "\x80\x01"}), "not an octal number"},
      {"gzip bomb", bombs, "more than 1 GiB"},
      {"wrong checksum", gzip(checksum), "no tar header"},
      {"gzip of something else", gzip(std::string(100000, 'x')), "no tar header"},
      {"gzip of nothing", gzip(""), "ends too early"},
      {"gzip cut", packed.substr(0, packed.size() / 2), "ends too early"},
      {"gzip damaged", damaged, ""},
      {"garbage behind", packed + "garbage", "garbage behind the gzip data"},
      {"tar cut", gzip(good.substr(0, 5000)), "ends too early"},
      {"tar without its end", gzip(good.substr(0, good.size() - 1024)), "ends too early"},
      {"no batches", gzip(tar({{.name = "readme", .content = "hello"}})), "holds no data_batch_*"},
      {"names alone", gzip(tar({{.name = "batches.meta.txt", .content = "a\n"}})), "holds no data_batch_*"},
      {"a name of control characters", with({.name = "\x1b[2J/data_batch_3.bin", .content = "x"}), "\\x1b[2J"},
      {"two bytes", "\x1f\x8b", "ends too early"},
  };
  const TemporaryFolder folder;
  for (const Case& c : cases) {
    put(folder / "cifar.tar.gz", c.file);
    const std::string error = refusal(folder / "cifar.tar.gz");
    INFO(c.what << ": " << error);
    CHECK(!error.empty());
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.find('\n') == error.npos);
    CHECK(error.find('\x1b') == error.npos);
    CHECK(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) == 1);
  }
}
