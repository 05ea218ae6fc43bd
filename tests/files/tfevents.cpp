// TensorBoard's files: checksums and framing against published values, and what a resumed run keeps.
#include "engine/files/tfevents.h"

#include <cmath>

#include "engine/files/crc32c.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace tessera;
using tessera::tests::TemporaryFolder;
using namespace std::string_literals;

namespace {

std::string content(const std::filesystem::path& path) {
  return std::string(text_of(read_file(path, 1 << 20, ExitCode::weights)));
}
EventSummary loss(double value) {
  EventSummary summary;
  summary.scalar("loss", value);
  return summary;
}
void overwrite(const std::filesystem::path& path, const std::string& text) {
  write_file_atomically(path, bytes_of(text), ExitCode::weights);
}

}  // namespace

TEST_CASE("CRC-32C: the values of RFC 3720, B.4") {
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
}

TEST_CASE("an event file begins as TensorFlow's do") {
  const TemporaryFolder folder;
  const EventFile file(folder / "events", 0, 0);
  CHECK(file.fresh());
  CHECK_FALSE(EventFile(folder / "events", 0, 0).fresh());
  // Length 24, its masked CRC, wall_time 0.0, file_version "brain.Event:2", the data's masked CRC.
  const std::string bytes = content(folder / "events");
  REQUIRE(bytes.size() == 12 + 24 + 4);
  CHECK(bytes.substr(0, 12) == "\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22"s);
  CHECK(bytes.substr(12, 24) == "\x09\x00\x00\x00\x00\x00\x00\x00\x00\x1a\x0d"s + "brain.Event:2");
}

TEST_CASE("events of a run that is resumed: torn ends and later steps go") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "events";
  EventFile file(path, 0, 1.5);
  file.add(10, 1.5, loss(0.5));
  const std::string first = content(path);
  file.add(20, 1.5, loss(0.25));
  const std::string both = content(path);
  CHECK(records_of(both).size() == 3);
  CHECK(both.starts_with(first));
  for (std::size_t cut = first.size(); cut < both.size(); ++cut) CHECK(records_of(both.substr(0, cut)).size() == 2);
  for (std::size_t at = first.size(); at < both.size(); ++at) {  // any byte of the last record changed
    std::string damaged = both;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    CHECK(records_of(damaged).size() == 2);
  }

  overwrite(path, both.substr(0, both.size() - 1));
  { const EventFile resumed(path, 15, 9); }
  CHECK(content(path) == first);
  overwrite(path, both);
  { const EventFile resumed(path, 19, 9); }
  CHECK(content(path) == first);
  {
    EventFile resumed(path, 20, 9);
    resumed.add(20, 1.5, loss(0.25));
  }
  CHECK(content(path) == both);
  overwrite(path, "no records at all");
  { const EventFile resumed(path, 20, 1.5); }
  CHECK(records_of(content(path)).size() == 1);
}

TEST_CASE("a histogram holds every finite value once") {
  EventSummary summary;
  const std::vector<float> values{-1, 0, 0.5f, 1, NAN, INFINITY};
  summary.histogram("h", values);
  const std::string& bytes = summary.message().bytes();
  const auto number = [](double x) {
    ProtobufMessage m;
    m.bare(x);
    return m.bytes();
  };
  // min −1, max 1, num 4, sum 0.5, sum of squares 2.25, under their field numbers.
  CHECK(bytes.find("\x09"s + number(-1) + "\x11" + number(1) + "\x19" + number(4) + "\x21" + number(0.5) + "\x29" +
                   number(2.25)) != std::string::npos);
  // 64 bins from −1 to 1: 0 begins the 33rd, 0.5 the 49th; 1 ends the last.
  std::string counts = "\x3a\x80\x04"s;
  for (int bin = 0; bin < 64; ++bin) counts += number(bin == 0 || bin == 32 || bin == 48 || bin == 63);
  CHECK(bytes.find(counts) != std::string::npos);
  EventSummary constant;
  constant.histogram("c", std::vector<float>{3, 3});
  CHECK(constant.message().bytes().find("\x32\x08"s + number(3) + "\x3a\x08" + number(2)) != std::string::npos);
}
