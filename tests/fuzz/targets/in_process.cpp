// run_isolated without isolation, linked in place of the engine's: a process for each input would be slow, and what the work does
// there is not seen by the fuzzer, neither what it reaches nor what a sanitizer finds in it.
//
// So a fault of the library that is isolated ends the fuzzer too. Its report tells whose it is: that of the library where the frames at
// its top are.
#include "engine/files/isolated.h"

namespace tessera {

Bytes run_isolated(const std::function<void()>& prepare, const std::function<Bytes()>& work, const IsolationLimits& limits,
                   const std::string& what, ExitCode on_error) {
  prepare();
  Bytes result = work();
  if (result.size() > limits.result) fail(on_error, what + ": too much came out of it");
  return result;
}

}  // namespace tessera
