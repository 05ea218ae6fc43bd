// How much memory a process may use: limits of control groups, and what becomes of an allocation beyond them.
#include "engine/core/memory.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <new>
#include <vector>

#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace tessera;
namespace fs = std::filesystem;

TEST_CASE("the least limit of the control groups counts, and the machine's memory where there is none") {
  const tests::TemporaryFolder folder;
  const auto put = [&](const std::string& name, const std::string& text) {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << text;
  };
  const std::string root = folder / "";
  constexpr std::uint64_t machine = 1000;
  CHECK(usable_memory(machine, root, "") == machine);
  CHECK(usable_memory(machine, root, "0::/job\n") == machine);
  put("job/memory.max", "700\n");
  put("job/step/memory.max", "max\n");
  CHECK(usable_memory(machine, root, "0::/job/step\n") == 700);
  put("job/step/memory.max", "300\n");
  CHECK(usable_memory(machine, root, "0::/job/step\n") == 300);
  put("memory/old/memory.limit_in_bytes", "500\n");
  put("memory/free/memory.limit_in_bytes", "9223372036854771712\n");  // none, in version 1
  CHECK(usable_memory(machine, root, "4:memory:/old\n1:cpu:/job\n") == 500);
  CHECK(usable_memory(machine, root, "4:memory:/free\n") == machine);
  CHECK(usable_memory() > 0);
}

#if !defined(__SANITIZE_ADDRESS__)  // whose own allocator ends the process
TEST_CASE("an allocation beyond the machine's memory fails, and the process is not killed for it") {
  const pid_t child = ::fork();  // its limit is its own
  if (child == 0) {
    limit_memory();
    try {
      const std::vector<char> all(usable_memory() + (std::uint64_t{1} << 30));  // written to: it would be killed
    } catch (const std::bad_alloc&) {
      ::_exit(5);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 5);
}
#endif
