// Small checkpoints, and running something in a child process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <string>

#include "engine/files/checkpoint.h"
#include "engine/files/sha256.h"
#include "tests/files/support.h"

namespace tessera::test {

// Its contents follow from the step, so that a mixture of two steps is seen.
inline Checkpoint checkpoint_of(std::int64_t step, std::size_t weight_bytes = 5000) {
  Checkpoint checkpoint{.step = step, .config = "{\"network\":\"lenet\",\"lr\":0.1}", .files = {}};
  Bytes weights(weight_bytes);
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = static_cast<std::byte>(static_cast<std::size_t>(step) * 31 + i * 7);
  checkpoint.files["weights.safetensors"] = weights;
  checkpoint.files["state.json"] = to_bytes("{\"step\":" + std::to_string(step) + "}");
  checkpoint.files["empty"] = {};
  return checkpoint;
}

inline bool same(const Checkpoint& a, const Checkpoint& b) {
  return a.step == b.step && a.config == b.config && a.files == b.files;
}

// Puts a manifest with a right digest into the folder: what somebody who wants to harm would do.
inline void sign(const fs::path& folder, const std::string& manifest) {
  put(folder / "manifest.json", manifest);
  put(folder / "manifest.sha256", sha256_hex(bytes_of(manifest)) + "  manifest.json\n");
}

inline std::string manifest_with(const std::string& step, const std::string& files) {
  return "{\"format\":\"tessera-checkpoint\",\"version\":1,\"step\":" + step + ",\"config\":{},\"files\":" + files + "}";
}

// Exit code of a child that runs `action`: 0, the code of the Error it threw, or 99.
template <class Action>
int in_child(const Action& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    int code = 0;
    try {
      action();
    } catch (const Error& e) {
      code = static_cast<int>(e.code);
    } catch (...) {
      code = 99;
    }
    ::_exit(code);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

}  // namespace tessera::test
