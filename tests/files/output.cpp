// Outputs that the user names: devices, FIFOs, links, standard output, folders, inputs.
#include "engine/files/output.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <fstream>
#include <thread>

#include "tests/catch.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;
using Catch::Contains;

namespace {

void write_to(const fs::path& path, const std::string& text) { Output(path, ExitCode::weights).write(bytes_of(text)); }

void make_socket(const fs::path& path) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ::close(descriptor);
}

}  // namespace

TEST_CASE("a device is written to and stays a device", "[output]") {
  const TemporaryFolder folder;
  // A node of our own where that is allowed, so that a mistake harms nobody's /dev/null.
  fs::path null = folder / "null";
  if (::mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) null = "/dev/null";
  if (const int test = ::open(null.c_str(), O_WRONLY); test < 0)
    null = "/dev/null";
  else
    ::close(test);
  write_to(null, "text");
  CHECK(fs::is_character_file(null));
  fs::create_symlink(null, folder / "link");
  write_to(folder / "link", "text");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(fs::is_character_file(null));
  CHECK_THAT(error_of<WeightsError>([] { write_to("/dev/full", "text"); }), Contains("No space left"));
}

TEST_CASE("a FIFO is written to once somebody reads, and waiting for that can be stopped", "[output]") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  const Output output(folder / "fifo", ExitCode::weights);
  const std::atomic<bool> stop{true};
  CHECK_THROWS_AS(output.write(bytes_of("never"), &stop), Interrupted);

  const std::string text(300'000, 'x');  // more than a pipe holds
  std::string got;
  std::thread reader([&] {
    std::ifstream file(folder / "fifo", std::ios::binary);
    got.assign(std::istreambuf_iterator<char>(file), {});
  });
  output.write(bytes_of(text));
  reader.join();
  CHECK(got == text);
  CHECK(fs::is_fifo(folder / "fifo"));
}

TEST_CASE("links are followed, dangling ones and chains too; a circle is an error", "[output]") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a");
  put(folder / "a/file", "old");
  fs::create_symlink("a/file", folder / "link");
  fs::create_symlink("link", folder / "chain");
  write_to(folder / "chain", "new");
  CHECK(get(folder / "a/file") == "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(fs::is_symlink(folder / "chain"));
  fs::create_symlink("a/later", folder / "dangling");
  write_to(folder / "dangling", "made");
  CHECK(get(folder / "a/later") == "made");
  fs::create_symlink("circle", folder / "circle");
  CHECK_THAT(error_of<WeightsError>([&] { write_to(folder / "circle", ""); }), Contains("more than 40 links"));
}

TEST_CASE("what cannot be an output is said before anything is computed", "[output]") {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& path) {
    return error_of<WeightsError>([&] { Output(path, ExitCode::weights); });
  };
  CHECK_THAT(error(folder.path()), Contains("is a folder"));
  CHECK_THAT(error(folder.path().string() + "/"), Contains("is a folder"));
  CHECK_THAT(error(folder / "none/file"), Contains("is no folder"));
  make_socket(folder / "socket");
  CHECK_THAT(error(folder / "socket"), Contains("is a socket"));

  const std::vector<std::string> inputs = {folder / "input", "synthetic"};
  put(inputs[0], "precious");
  fs::create_hard_link(inputs[0], folder / "same");
  fs::create_symlink("input", folder / "link");
  for (const char* name : {"input", "same", "link"})
    CHECK_THAT(error_of<UsageError>([&] { Output(folder / name, ExitCode::weights, inputs); }),
               Contains("both input and output"));
  CHECK(get(inputs[0]) == "precious");

  if (::geteuid() != 0) {
    put(folder / "protected", "old");
    fs::permissions(folder / "protected", fs::perms::owner_read);
    CHECK_THAT(error(folder / "protected"), Contains("Permission denied"));
    fs::create_directory(folder / "closed");
    fs::permissions(folder / "closed", fs::perms::owner_read | fs::perms::owner_exec);
    CHECK_THAT(error(folder / "closed/file"), Contains("Permission denied"));
  }
}

TEST_CASE("a replaced file keeps its permissions", "[output]") {
  const TemporaryFolder folder;
  put(folder / "private", "old");
  fs::permissions(folder / "private", fs::perms::owner_read | fs::perms::owner_write);
  write_to(folder / "private", "new");
  CHECK(get(folder / "private") == "new");
  CHECK(fs::status(folder / "private").permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("inputs that are no regular files are refused at once, with what they are", "[io]") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);  // nobody writes: opening it as usual would wait for ever
  make_socket(folder / "socket");
  fs::create_symlink("fifo", folder / "link");
  const auto error = [](const fs::path& path) { return error_of<DataError>([&] { read_file(path, 100, ExitCode::data); }); };
  CHECK_THAT(error(folder / "fifo"), Contains("fifo: is a FIFO; a file is needed here"));
  CHECK_THAT(error(folder / "link"), Contains("link: is a FIFO"));
  CHECK_THAT(error(folder / "socket"), Contains("is a socket"));
  CHECK_THAT(error("/dev/zero"), Contains("is a device"));
  CHECK_THAT(error(folder), Contains("is a folder"));
  std::ofstream(folder / "pointer") << "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";
  CHECK_THAT(error(folder / "pointer"), Contains("pointer: stands for a file that Git LFS keeps elsewhere"));
}

TEST_CASE("reading a file can be stopped", "[io]") {
  const TemporaryFolder folder;
  put(folder / "file", "0123456789");
  std::atomic<bool> stop{false};
  CHECK(text_of(read_file(folder / "file", 100, ExitCode::data, system_calls, &stop)) == "0123456789");
  stop = true;
  CHECK_THROWS_AS(read_file(folder / "file", 100, ExitCode::data, system_calls, &stop), Interrupted);
}
