// What the overlay says where cuDNN and cuBLAS are missing, broken or something else.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kernels/backends.h"
#include "kernels/errors.h"
#include "kernels/vendor/libraries.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace tessera::kernels;
using namespace tessera::kernels::vendor;
using Catch::Contains;
using tessera::tests::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

// A variable of the environment for the length of a test.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    const char* old = std::getenv(name);
    if (old) old_ = old;
    had_ = old != nullptr;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { had_ ? setenv(name_, old_.c_str(), 1) : unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

template <class Library>
std::string error_of() {
  try {
    const Library library;
    return "";
  } catch (const DeviceError& error) {
    return error.what();
  }
}

const LibraryNames unknown{.title = "Unknown 7",
                           .environment = "TESSERA_UNKNOWN",
                           .files = {"libtessera-unknown.so.7", "libtessera-unknown.so.6"},
                           .python = {"nvidia/unknown/lib"}};

}  // namespace

TEST_CASE("a library that is nowhere: what was looked for and what to do") {
  const auto open = [] { const SharedLibrary library(unknown); };
  CHECK_THROWS_AS(open(), DeviceError);
  CHECK_THROWS_WITH(open(), Contains("Unknown 7") && Contains("libtessera-unknown.so.7 or libtessera-unknown.so.6") &&
                                Contains("TESSERA_UNKNOWN") && Contains("--kernels own"));
}

TEST_CASE("a file named in the environment is the only one tried") {
  const TemporaryFolder folder;
  {
    const Variable name("TESSERA_CUDNN", (folder / "nothing.so").string());
    CHECK_THAT(error_of<Cudnn>(),
               Contains("TESSERA_CUDNN names '") && Contains("nothing.so") && Contains("cannot be opened"));
  }
  {
    std::ofstream(folder / "text.so") << "not a library";
    const Variable name("TESSERA_CUDNN", (folder / "text.so").string());
    CHECK_THAT(error_of<Cudnn>(), Contains("text.so") && Contains("cannot be opened"));
  }
  {
    const Variable name("TESSERA_CUDNN", TESSERA_FAKE_incomplete);
    CHECK_THAT(error_of<Cudnn>(), Contains(TESSERA_FAKE_incomplete) && Contains("has no function cudnnGetErrorString"));
  }
  {
    const Variable name("TESSERA_CUDNN", TESSERA_FAKE_old);
    CHECK_THAT(error_of<Cudnn>(), Contains("is of version 80905") && Contains("TESSERA_CUDNN"));
  }
  {
    const Variable name("TESSERA_CUBLAS", TESSERA_FAKE_old);
    CHECK_THAT(error_of<Cublas>(), Contains("cuBLAS") && Contains("has no function cublas"));
  }
}

TEST_CASE("pip's packages are found in a virtual environment, the newest Python first") {
  const TemporaryFolder prefix;
  const fs::path old = prefix / "lib/python3.11/site-packages/nvidia/unknown/lib",
                 young = prefix / "lib/python3.12/site-packages/nvidia/unknown/lib";
  fs::create_directories(old);
  fs::create_directories(young);
  {
    const Variable environment("VIRTUAL_ENV", prefix.path().string());
    const std::vector<fs::path> folders = library_folders(unknown);
    REQUIRE(folders.size() >= 2);
    CHECK(folders[0] == young);
    CHECK(folders[1] == old);
    // A file that is there and broken is the reason worth telling.
    std::ofstream(young / unknown.files[0]) << "not a library";
    CHECK_THROWS_WITH(SharedLibrary(unknown), Contains((young / unknown.files[0]).string()));
    // And one that is whole is opened.
    fs::remove(young / unknown.files[0]);
    fs::copy_file(TESSERA_FAKE_incomplete, old / unknown.files[1]);
    const SharedLibrary library(unknown);
    CHECK(library.file() == (old / unknown.files[1]).string());
    CHECK(library.symbol("cudnnGetVersion") != nullptr);
    CHECK_THROWS_WITH(library.symbol("cudnnCreate"), Contains("has no function cudnnCreate"));
  }
}

TEST_CASE("the vendor backend has no device where CUDA has none, and says why") {
  std::string why_cuda, why;
  if (cuda_backend().runtime.device_count(&why_cuda) > 0) return;
  CHECK(vendor_backend().runtime.device_count(&why) == 0);
  CHECK(why == why_cuda);
  CHECK_FALSE(why.empty());
}
