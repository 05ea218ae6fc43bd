#include "engine/files/io.h"

#include "tests/catch.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

TEST_CASE("an atomic write replaces the file and leaves nothing else", "[io]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "weights";
  write_file_atomically(path, bytes_of("first"), ExitCode::weights);
  CHECK(get(path) == "first");
  const std::string a = "sec", b = "", c = "ond";
  const ByteSpan parts[] = {bytes_of(a), bytes_of(b), bytes_of(c)};
  write_file_atomically(path, parts, ExitCode::weights);
  CHECK(get(path) == "second");
  CHECK_FALSE(has_temporaries(folder.path()));
  CHECK(text_of(read_file(path, 6, ExitCode::data)) == "second");
}

TEST_CASE("whatever call fails, the file is the old or the new one, whole", "[io][faults]") {
  const std::string old_text(5000, 'o'), new_text(9000, 'n');
  int cases = 0;
  for (const char* call : {"open", "write", "fsync", "close", "rename"}) {
    for (const Fault fault : {Fault::no_space, Fault::input_output, Fault::interrupted, Fault::short_transfer}) {
      if (fault == Fault::short_transfer && std::string(call) != "write") continue;
      for (int k = 0;; ++k) {
        const TemporaryFolder folder;
        const fs::path path = folder / "weights";
        put(path, old_text);
        const int descriptors = open_descriptors();
        const FaultyCalls calls(call, k, fault);
        const std::string error =
            error_of<WeightsError>([&] { write_file_atomically(path, bytes_of(new_text), ExitCode::weights, calls); });
        if (!calls.fired()) break;  // there is no k-th call any more
        ++cases;
        INFO(call << " " << k << " fault " << static_cast<int>(fault) << ": " << error);
        CHECK(open_descriptors() == descriptors);
        CHECK_FALSE(has_temporaries(folder.path()));
        if (fault == Fault::interrupted || fault == Fault::short_transfer) {
          CHECK(error.empty());
          CHECK(get(path) == new_text);
        } else {
          CHECK(error.find(folder.path().string()) != error.npos);
          CHECK(error.find(std::string(call) + " failed: ") != error.npos);
          CHECK(error.find(fault == Fault::no_space ? "No space left" : "Input/output error") != error.npos);
          // Only the sync of the folder comes after the rename.
          const std::string now = get(path);
          CHECK((now == old_text || now == new_text));
          if (k == 0) CHECK(now == old_text);
        }
      }
    }
  }
  CHECK(cases >= 25);
}

TEST_CASE("reading survives interruptions and says what is wrong", "[io]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "file";
  put(path, "0123456789");

  for (const Fault fault : {Fault::interrupted, Fault::short_transfer}) {
    const FaultyCalls calls("read", 0, fault);
    CHECK(text_of(read_file(path, 100, ExitCode::data, calls)) == "0123456789");
    CHECK(calls.fired());
  }
  const FaultyCalls broken("read", 0, Fault::input_output);
  CHECK(error_of<DataError>([&] { read_file(path, 100, ExitCode::data, broken); }).find("read failed: Input/output error") !=
        std::string::npos);

  CHECK(error_of<DataError>([&] { read_file(path, 9, ExitCode::data); }).find("has 10 bytes, more than the 9") !=
        std::string::npos);
  CHECK(error_of<DataError>([&] { read_file(folder.path(), 9, ExitCode::data); }).find("is a folder") != std::string::npos);
  CHECK(error_of<WeightsError>([&] { read_file(folder / "none", 9, ExitCode::weights); }).find("No such file") !=
        std::string::npos);
  CHECK(error_of<DataError>([] { read_file("/dev/null", 9, ExitCode::data); }).find("is a device; a file is needed") !=
        std::string::npos);

  File file(path, File::Mode::read, ExitCode::data);
  std::byte more[11];
  CHECK(error_of<DataError>([&] { file.read_exactly(more); }).find("ends at byte 10, 1 bytes too early") !=
        std::string::npos);
}

TEST_CASE("a full file system is reported with its reason", "[io]") {
  // /dev/full takes every open and refuses every write.
  File full("/dev/full", File::Mode::append, ExitCode::weights);
  const std::string error = error_of<WeightsError>([&] { full.write(bytes_of("x")); });
  CHECK(error == "/dev/full: write failed: No space left on device; free some space and try again");
}

TEST_CASE("folders are made with their parents", "[io]") {
  const TemporaryFolder folder;
  make_folder(folder / "a/b/c", ExitCode::weights, system_calls);
  CHECK(fs::is_directory(folder / "a/b/c"));
  make_folder(folder / "a/b/c", ExitCode::weights, system_calls);
  put(folder / "file", "");
  CHECK(error_of<WeightsError>([&] {
          make_folder(folder / "file/x", ExitCode::weights, system_calls);
        }).find("mkdir failed") != std::string::npos);
}
