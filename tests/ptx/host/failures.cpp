// Calls of every CUDA function that a short training makes are made to fail, each in a process of its own: the training
// ends in the error of that call, or goes on where the call only cleans up. It never ends otherwise.
#include <driver_types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "engine/optim/adam.h"
#include "engine/train/evaluate.h"
#include "engine/train/train_step.h"
#include "kernels/errors.h"
#include "tests/catch.h"
#include "tests/engine/tiny_network.h"
#include "tests/ptx/cudart/control.h"

using namespace tessera;
using namespace tessera::test;

namespace {

struct Function {
  const char* name;
  const char* told;  // words of the error that its failure becomes
  bool may_pass;     // called while cleaning up, too
};
constexpr Function functions[] = {
    {"cudaGetDeviceProperties", "for its properties", false},
    {"cudaSetDevice", "choosing device", true},
    {"cudaStreamGetDevice", "asking for a stream's device", false},
    {"cudaStreamCreateWithFlags", "creating a stream", false},
    {"cudaStreamDestroy", "", true},
    {"cudaStreamSynchronize", "waiting for a stream", true},
    {"cudaMalloc", "allocating", false},
    {"cudaFree", "", true},
    {"cudaMemcpyAsync", "copying", false},
    {"cudaMemsetAsync", "bytes to zero", false},
    {"cudaStreamIsCapturing", "copying", false},
    {"cudaLaunchKernel", "kernel launched at", false},
    {"cudaFuncSetAttribute", "bytes of shared memory", false},
    {"cudaStreamBeginCapture", "beginning to record", false},
    {"cudaStreamEndCapture", "recording a stream", false},
    {"cudaGraphInstantiate", "making a graph", false},
    {"cudaGraphDestroy", "", true},
    {"cudaGraphExecDestroy", "", true},
    {"cudaGraphLaunch", "replaying a recorded stream", false},
};

// Four steps of two batch sizes, one of each recorded and replayed, and an evaluation.
void train() {
  constexpr std::int64_t count = 12, batch = 8;
  const std::shared_ptr<Device> device = Device::open({.device = "cuda"});
  TinyNetwork network;
  ParameterStore store(network, device, 6);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(Adam::Options{}, store);
  ImageBatches images(DeviceImages::upload(tiny_images(count, 1), device),
                      gather_params(Normalization::none, Augmentation::none, 9));
  TrainStep step(network, store, *optimizer, images, {.seed = 6, .label_smoothing = 0.1});
  for (std::int64_t s = 0; s < 4; ++s)
    step.run({.step = s, .epoch = s / 2, .position = s % 2 * batch, .learning_rate = 1e-3}, s % 2 ? count - batch : batch);
  (void)step.metrics();
  (void)evaluate(network, images, {.batch_size = batch});
}

struct Ending {
  bool orderly = false;  // the process ended by itself: no signal, no std::terminate, in time
  std::string error;     // what was thrown; empty: nothing
};

Ending end_of(const Function* failing, unsigned call) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    (void)!freopen("/dev/null", "w", stderr);
    alarm(60);  // a hang ends by a signal
    if (failing) tessera_ptx_fail(failing->name, call, cudaErrorLaunchFailure);
    std::string text;
    try {
      train();
      if (!failing)
        for (const Function& f : functions) text += std::to_string(tessera_ptx_calls(f.name)) + " ";
    } catch (const kernels::DeviceError& error) {
      text = error.what();
    }
    const auto written = write(ends[1], text.data(), text.size());
    _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  Ending ending;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) ending.error.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  ending.orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return ending;
}

}  // namespace

TEST_CASE("each call that fails ends a training in its own error") {
  train();  // kernels are decoded once, for all children
  std::string counts = end_of(nullptr, 0).error;
  REQUIRE(counts.size() > 2);
  unsigned long long all = 0;
  for (const Function& f : functions) {
    const unsigned long long before = tessera_ptx_calls(f.name);  // of this process, which the child's count goes on from
    char* rest = nullptr;
    const unsigned long long calls = std::strtoull(counts.c_str(), &rest, 10) - before;
    counts = rest;
    all += calls;
    // All of the first, then fewer and fewer: what comes late repeats what came before.
    for (unsigned call = 1; call <= calls; call += 1 + call / 5) {
      INFO(f.name << ", call " << call << " of " << calls);
      const Ending ending = end_of(&f, call);
      CHECK(ending.orderly);
      if (!ending.error.empty()) {
        CHECK_THAT(ending.error, Catch::Contains(f.told) && Catch::Contains("cudaErrorLaunchFailure"));
        CHECK(*f.told);
      } else {
        CHECK(f.may_pass);
      }
    }
  }
  CHECK(all > 300);
}
