// Forms that weights of other programs seldom have: the right ones are read, the wrong ones refused with their reason.
#include "engine/files/weights_file.h"
#include "tests/catch.h"
#include "tests/files/support.h"
#include "tests/files/weights_made.h"

using namespace tessera;
using namespace tessera::test;

namespace {

const std::string zero(1, '\0');

TensorFile read(const std::string& file) { return parse_weights(to_bytes(file), "FILE"); }

// float32 numbers as a file has them.
std::string elements_of(std::initializer_list<float> values) {
  std::string text;
  for (const float value : values) text.append(reinterpret_cast<const char*>(&value), sizeof value);
  return text;
}

// The archive of one member, whose numbers stand in a Zip64 field (of `length` bytes) and its directory's end in a Zip64 record.
std::string zip64(const std::string& name, const std::string& stored, std::uint64_t length = 24) {
  const std::string all_ones = number(0xffffffff, 4);
  const std::string common = number(45, 2) + number(0, 8) + number(crc_of(stored), 4) + all_ones + all_ones;
  const std::string field = number(0x7075, 2) + number(2, 2) + "??" + number(1, 2) + number(length, 2) +
                            number(stored.size(), 8) + number(stored.size(), 8) + number(0, 8);
  std::string file = "PK\x03\x04" + common + number(name.size(), 2) + number(0, 2) + name + stored;
  const std::size_t start = file.size();
  file += "PK\x01\x02" + number(45, 2) + common + number(name.size(), 2) + number(field.size(), 2) + number(0, 10) +
          all_ones + name + field;
  const std::size_t end = file.size();
  file += "PK\x06\x06" + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 8) + number(1, 8) + number(1, 8) +
          number(end - start, 8) + number(start, 8);
  file += "PK\x06\x07" + number(0, 4) + number(end, 8) + number(1, 4);
  return file + "PK\x05\x06" + number(0, 4) + number(0xffff, 2) + number(0xffff, 2) + all_ones + all_ones + number(0, 2);
}

std::string dict(const std::string& value) { return "}" + word("w") + value + "s"; }

// A NumPy array in a pickle, of two rows and three columns, whose state ends as `order` says.
std::string matrix(const std::string& order, const std::string& state_of_type = "(K\x03" + word("<") + "t") {
  return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + zero + "\x85" + word("b") +
         "\x87R(K\x01(K\x02K\x03tcnumpy\n" + "dtype\n" + word("f4") + "\x89\x88\x87R" + state_of_type + "b" + order + "B" +
         number(24, 4) + elements_of({0, 1, 2, 3, 4, 5}) + "tb";
}

}  // namespace

TEST_CASE("seldom forms of right files are read", "[weights]") {
  const TensorEntry of_zip64 = read(zip64("a.npy", three)).tensors().at(0);
  CHECK(of_zip64.name == "a");
  CHECK(of_zip64.shape == std::vector<std::int64_t>{3});

  // A parameter of torch is its tensor; a tuple of a tuple is that tuple; a dictionary's attributes say nothing.
  const std::string tensor = "ctorch._utils\n_rebuild_tensor_v2\n(" + six + "QK" + zero +
                             "cbuiltins\ntuple\nK\x02K\x03\x86\x85R" + "K\x03K\x01\x86\x89}tR";
  const auto archive = [&](const std::string& body) {
    return archive_of({{"a/data.pkl", pickle(body)}, {"a/data/0", elements_of({0, 1, 2, 3, 4, 5})}}).bytes;
  };
  for (const std::string& body : {dict(tensor), dict("ctorch._utils\n_rebuild_parameter\n" + tensor + "\x88}\x87R"),
                                  dict(tensor) + "}b", "}" + word("model_state_dict") + dict(tensor) + "s",
                                  dict(tensor) + word("epoch") + "G" + std::string(8, '\0') + "s"}) {
    const TensorFile file = read(archive(body));
    REQUIRE(file.tensors().size() == 1);
    CHECK(file.tensors()[0].name == "w");
    CHECK(file.tensors()[0].shape == std::vector<std::int64_t>{2, 3});
    CHECK(text_of(file.tensors()[0].bytes) == elements_of({0, 1, 2, 3, 4, 5}));
  }

  // Paddle's arrays, by columns, and with the name that Paddle gave them.
  CHECK(text_of(read(pickle(dict(matrix("\x89")))).tensors().at(0).bytes) == elements_of({0, 1, 2, 3, 4, 5}));
  CHECK(text_of(read(pickle(dict(matrix("\x88")))).tensors().at(0).bytes) == elements_of({0, 2, 4, 1, 3, 5}));
  CHECK(read(pickle(dict("(" + word("linear_0.w_0") + matrix("\x89") + "t"))).tensors().at(0).name == "w");

  // NumPy's second version has a longer length, and any blanks.
  const std::string header = "{ \"descr\":'<f4','shape':(2,3),\"fortran_order\" : True }  \n";
  const TensorFile columns =
      read(npz("\x93NUMPY\x02" + zero + number(header.size(), 4) + header + elements_of({0, 1, 2, 3, 4, 5})));
  CHECK(text_of(columns.tensors().at(0).bytes) == elements_of({0, 2, 4, 1, 3, 5}));
}

TEST_CASE("weights of a wrong form are refused with what is wrong", "[weights][hostile]") {
  const std::string dtype = "cnumpy\ndtype\n", call = "ctorch._utils\n_rebuild_tensor_v2\n";
  const auto header = [](const std::string& text) { return npz(npy(text, std::string(12, '\0'))); };
  const Archive one = archive_of({{"a.npy", three}}), two = archive_of({{"a.npy", three}, {"b.npy", three}});
  const std::vector<Case> cases = {
      // zip
      {"a name of no bytes", archive_of({{"", three}}).bytes, "is empty"},
      {"a Zip64 field too short", zip64("a.npy", three, 16), "Zip64 numbers are missing"},
      {"a Zip64 field beyond its place", zip64("a.npy", three, 25), "an extra field that goes beyond its place"},
      {"a Zip64 record elsewhere",
       [&] {
         std::string file = zip64("a.npy", three);
         return file.replace(file.size() - 22 - 20 + 8, 8, number(1, 8));
       }(),
       "Zip64 end record is not where"},
      {"two end records that differ",
       [&] {
         std::string file = zip64("a.npy", three);
         return file.replace(file.size() - 22 + 16, 4, number(3, 4));
       }(),
       "contradict each other"},
      {"a Zip64 archive of several disks",
       [&] {
         std::string file = zip64("a.npy", three);
         return file.replace(file.size() - 22 - 20 - 56 + 24, 8, number(2, 8));
       }(),
       "several disks"},
      {"a header of another kind", with(one, one.headers[0] + 8, number(8, 2)), "of another kind in its own header"},
      {"no header where the directory says", with(two, two.headers[1], "PK\x03\x05"), "no header where the directory says"},
      {"no entry in the directory", with(one, one.directory[0], "PK\x01\x03"), "no entry of a zip directory"},
      {"torch without data.pkl but with a folder", archive_of({{"a/version", "3"}}).bytes, "its first entry is 'a/version'"},
      // pickles
      {"a number as a name", "\x80\x04K\x01" + word("x") + "\x93.", "a name that is no short text"},
      {"a storage of four parts",
       torch_pickle("(" + word("storage") + "ctorch\nFloatStorage\n" + word("0") + word("cpu") + "tQ"), "no storage"},
      {"a storage by number", torch_pickle("(" + word("storage") + "ctorch\nFloatStorage\nK\x01" + word("cpu") + "K\x06tQ"),
       "no storage"},
      {"a storage of a text's length",
       torch_pickle("(" + word("storage") + "ctorch\nFloatStorage\n" + word("0") + word("cpu") + word("6") + "tQ"),
       "no storage"},
      {"a persistent id that is no tuple", torch_pickle(word("0") + "Q"), "no storage"},
      {"a tensor of five parts", torch_pickle(call + "(" + six + "QK" + zero + ")))tR"), "nothing was executed"},
      {"a tensor of a number", torch_pickle(call + "(K\x01K" + zero + "))\x89}tR"), "nothing was executed"},
      {"a tensor whose offset is a text", torch_pickle(call + "(" + six + "Q" + word("0") + "))\x89}tR"),
       "nothing was executed"},
      {"a tensor whose extents are a list", torch_pickle(call + "(" + six + "QK" + zero + "])\x89}tR"),
       "nothing was executed"},
      {"a tensor whose strides are a list", torch_pickle(call + "(" + six + "QK" + zero + ")]\x89}tR"),
       "nothing was executed"},
      {"a parameter of a number", torch_pickle("ctorch._utils\n_rebuild_parameter\nK\x01\x88}\x87R"),
       "nothing was executed"},
      {"arguments that are no tuple", torch_pickle("ccollections\nOrderedDict\n]R"), "nothing was executed"},
      {"a dictionary of something", torch_pickle("ccollections\nOrderedDict\n]\x85R"), "nothing was executed"},
      {"a type of numbers that is none", pickle(dtype + word("q9") + "\x89\x88\x87R"), "nothing was executed"},
      {"a type whose name is a number", pickle(dtype + "K\x01\x89\x88\x87R"), "nothing was executed"},
      {"a big-endian type", pickle(dict(matrix("\x89", "(K\x03" + word(">") + "t"))), "not little-endian"},
      {"a type without an order", pickle(dict(matrix("\x89", "(K\x03t"))), "not little-endian"},
      {"a type of four bytes said to be of one", pickle(dict(matrix("\x89", "(K\x03" + word("|") + "t"))),
       "not little-endian"},
      {"a state that is a number",
       pickle("}K\x01"
              "b"),
       "a state that is no tuple"},
      {"a state for a list",
       pickle("]K\x01\x85"
              "b"),
       "a state given to a list"},
      {"an array whose order is a number", pickle(dict(matrix("K\x01"))), "extents, type, order and elements"},
      {"an array with fewer bytes than its extents take", pickle(dict(array("K\x02", "1234"))), "of 8 bytes by its extents"},
      {"an array with a text for an extent", pickle(dict(array(word("2"), "1234"))), "extents that are no numbers"},
      {"an array with a negative extent", pickle(dict(array("J\xff\xff\xff\xff", "1234"))), "extents that are no numbers"},
      {"text beyond latin1 as bytes", pickle("c_codecs\nencode\n" + word("\xe2\x80\xae") + word("latin1") + "\x86R"),
       "characters 0 to 255"},
      {"half a character as bytes", pickle("c_codecs\nencode\n" + word("a\xc3") + word("latin1") + "\x86R"),
       "characters 0 to 255"},
      // state dicts
      {"a number in place of a dictionary", torch_pickle("G" + std::string(8, '\0')), "holds a real, not a state dict"},
      {"a storage in place of a dictionary", torch_pickle(six + "Q"), "holds a storage, not a state dict"},
      {"a tensor in place of a dictionary", torch_pickle(call + "(" + six + "QK" + zero + "))\x89}tR"),
       "holds a tensor, not a state dict"},
      {"a tensor under a number",
       archive_of({{"a/data.pkl", pickle("}K\x01" + call + "(" + six + "Q" + whole + "\x89}tRs")},
                   {"a/data/0", std::string(24, '\0')}})
           .bytes,
       "a tensor whose name is no text"},
      {"an extent that is a text", torch(six, "K" + zero + word("2") + "\x85K\x01\x85"),
       "an extent that is no whole number"},
      {"a storage of a negative length", torch("(" + storage("J\xff\xff\xff\xff"), whole), "not -1 elements"},
      {"keys without texts", torch_pickle("}K\x01K\x02s"), "its keys: none"},
      {"Paddle's parameters in slices", pickle("}" + word("UnpackBigParamInfor@@") + "}s"), "in several slices"},
      {"Paddle's file of a list", pickle("]"), "holds a list, not a state dict"},
      {"Paddle's array under a number", pickle("}K\x01" + array("K\x01", "1234") + "s"), "an array whose name is no text"},
      {"Paddle's file of counters alone", pickle(dict("K\x07")), "holds no arrays"},
      // NumPy
      {"no magic", npz("\x93NUMPX\x01" + std::string(20, '\0')), "no NumPy array of versions 1 to 3"},
      {"version 4", npz("\x93NUMPY\x04" + std::string(20, '\0')), "no NumPy array of versions 1 to 3"},
      {"an unknown key", header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}"), "a header with 'x'"},
      {"no comma between keys", header("{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}"), "without a comma"},
      {"no colon", header("{'descr' '<f4'}"), "a header without ':'"},
      {"no quotes", header("{descr: '<f4'}"), "a header without a text"},
      {"a quote that does not end", header("{'descr: "), "a header without a text"},
      {"an order that is neither", header("{'descr': '<f4', 'fortran_order': 1, 'shape': (3,)}"),
       "a header without 'False'"},
      {"a shape without brackets", header("{'descr': '<f4', 'fortran_order': False, 'shape': 3}"), "a header without '('"},
      {"a shape without commas", header("{'descr': '<f4', 'fortran_order': False, 'shape': (3 1)}"),
       "a shape without a comma"},
      {"a shape of 33 axes", header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + repeated("1,", 33) + ")}"),
       "not of numbers"},
      {"a type of no letters", header("{'descr': '', 'fortran_order': False, 'shape': (3,)}"), "elements of type ''"},
      {"a type of four bytes without an order", header("{'descr': '|f4', 'fortran_order': False, 'shape': (3,)}"),
       "elements of type '|f4'"},
      {"something behind the header", header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} 1"), "once each"},
      {"a header without its shape", header("{'descr': '<f4', 'fortran_order': False}"), "once each"},
  };
  for (const Case& c : cases) {
    const std::string error = error_of<WeightsError>([&] { read(c.file); });
    INFO(c.what << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.starts_with("FILE"));
  }
}
