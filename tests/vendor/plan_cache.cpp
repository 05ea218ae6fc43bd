// The cache of plans: what is stored comes back, and what is not exactly a cache counts as none.
#include "kernels/vendor/plan_cache.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace tessera::kernels::vendor;
using Catch::Contains;
using tessera::tests::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

constexpr const char* identity = "NVIDIA H200, cuDNN 9.19.0, cuBLAS 13.1.0";

}  // namespace

TEST_CASE("plans are kept on disk") {
  const TemporaryFolder folder;
  const fs::path file = folder / "deeper" / "plans.txt";
  PlanCache cache(file, identity);
  CHECK_FALSE(cache.find("a"));
  cache.store("conv/b", "engine1/2=3");
  cache.store("conv/a", "own");
  cache.store("conv/b", "engine2");
  CHECK(cache.find("conv/b") == "engine2");
  CHECK(text_of(file) == std::string("tessera plans 1: ") + identity + "\nconv/a own\nconv/b engine2\nend 2\n");
  const PlanCache again(file, identity);
  CHECK(again.find("conv/a") == "own");
  CHECK(again.find("conv/b") == "engine2");
  CHECK_FALSE(again.find("conv/c"));
  // Nothing but the file itself is left behind.
  CHECK(std::distance(fs::directory_iterator(file.parent_path()), fs::directory_iterator{}) == 1);
}

TEST_CASE("what another process has stored meanwhile is kept") {
  const TemporaryFolder folder;
  const fs::path file = folder / "plans.txt";
  PlanCache one(file, identity), other(file, identity);
  one.store("a", "x");
  other.store("b", "y");
  const PlanCache both(file, identity);
  CHECK(both.find("a") == "x");
  CHECK(both.find("b") == "y");
}

TEST_CASE("a file that is not exactly a cache of this machine counts as empty and is rewritten") {
  const TemporaryFolder folder;
  const fs::path file = folder / "plans.txt";
  const std::string head = std::string("tessera plans 1: ") + identity + "\n";
  const std::vector<std::string> bad = {
      "",
      "\n",
      std::string(3, '\0'),
      "tessera plans 2: " + std::string(identity) + "\na x\nend 1\n",
      "tessera plans 1: NVIDIA A100, cuDNN 9.1.0, cuBLAS 12.4.5\na x\nend 1\n",
      head,
      head + "a x\n",              // cut short
      head + "a x\nend 2\n",       // a line is missing
      head + "a x\nend 1\nb y\n",  // more after the end
      head + "a\nend 1\n",         // no plan
      head + "a \nend 1\n",        // an empty one
      head + " x\nend 1\n",        // no key
      head + "a x y\nend 1\n",     // two plans
      head + "a x\na y\nend 2\n",  // one key twice
      head + "a \x01\nend 1\n",    // a control character
      head + "a x\nend 1",         // the last line without its end is still whole
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    INFO("file " << i << ": " << bad[i]);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bad[i];
    PlanCache cache(file, identity);
    CHECK(cache.find("a").has_value() == (i + 1 == bad.size()));
    cache.store("k", "v");
    CHECK(PlanCache(file, identity).find("k") == "v");
  }
}

TEST_CASE("words that could not be read back are not stored, and a folder that cannot be written costs nothing") {
  const TemporaryFolder folder;
  PlanCache cache(folder / "plans.txt", identity);
  for (const char* word : {"", "two words", "line\n", "tab\t"}) {
    cache.store(word, "plan");
    cache.store("key", word);
  }
  CHECK_FALSE(fs::exists(folder / "plans.txt"));
  std::ofstream(folder / "file") << "in the way";
  PlanCache nowhere(folder / "file" / "plans.txt", identity);
  nowhere.store("a", "x");
  CHECK(nowhere.find("a") == "x");
  PlanCache none("", identity);
  none.store("a", "x");
  CHECK(none.find("a") == "x");
}

TEST_CASE("one file for each GPU and version, in the user's cache folder") {
  const std::string old = std::getenv("XDG_CACHE_HOME") ? std::getenv("XDG_CACHE_HOME") : "";
  setenv("XDG_CACHE_HOME", "/somewhere", 1);
  CHECK(plan_cache_file(identity) == "/somewhere/tessera/plans-NVIDIA-H200--cuDNN-9.19.0--cuBLAS-13.1.0.txt");
  CHECK(plan_cache_file("../../etc/x y").parent_path() == "/somewhere/tessera");
  setenv("XDG_CACHE_HOME", "relative", 1);  // to be ignored
  CHECK_THAT(plan_cache_file(identity).string(), !Contains("relative"));
  old.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", old.c_str(), 1);
}
