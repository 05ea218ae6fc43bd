// Keras' files: samples that Keras has made (tests/exchange/weight_samples.py), what we write, and files that mean harm. A build
// without HDF5 refuses them all.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include "engine/files/floats.h"
#include "engine/files/hdf5.h"
#include "engine/files/isolated.h"
#include "engine/files/weights_file.h"
#include "tests/catch.h"
#include "tests/files/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

const fs::path samples = "files/samples";

bool left_out() {
  if (has_hdf5()) return false;
  WARN("left out: this build has no HDF5");
  CHECK(error_of<WeightsError>([] { read_weights(samples / "two.h5"); }).find("libhdf5-dev") != std::string::npos);
  return true;
}

std::vector<float> values(const TensorFile& file, const std::string& name) {
  return to_float32(file.at(name), file.where());
}

}  // namespace

TEST_CASE("Keras' files of both generations hold the same layers, in their order", "[weights][keras]") {
  if (left_out()) return;
  for (const auto& [name, conv, norm] :
       {std::array<std::string, 3>{"two.h5", "conv2d/conv2d", "batch_normalization/batch_normalization"},
        {"three.h5", "conv2d/sequential/conv2d", "batch_normalization/sequential/batch_normalization"},
        {"three.weights.h5", "layers/conv2d", "layers/batch_normalization"},
        {"three.keras", "layers/conv2d", "layers/batch_normalization"}}) {
    INFO(name);
    const TensorFile file = read_weights(samples / name);
    CHECK(file.names() == TensorNames::keras);
    REQUIRE(file.tensors().size() == 6);
    CHECK(file.at(conv + "/kernel").shape == std::vector<std::int64_t>{3, 3, 1, 2});
    CHECK(values(file, conv + "/kernel")[17] == 17);
    CHECK(values(file, conv + "/bias") == std::vector<float>{5, 6});
    for (const char* variable : {"gamma", "moving_variance"})
      CHECK(values(file, norm + "/" + variable) == std::vector<float>{1, 1});
    for (const char* variable : {"beta", "moving_mean"})
      CHECK(values(file, norm + "/" + variable) == std::vector<float>{0, 0});
  }
}

TEST_CASE("a .weights.h5 that is written is read again, to the bit, and does not depend on the time", "[weights][keras]") {
  if (left_out()) return;
  const std::vector<float> numbers = {1.5f, -0.0f, 3e-41f, 4, 5, 6e30f};
  const ByteSpan bytes = std::as_bytes(std::span(numbers));
  const TensorEntry tensors[] = {{"c1/kernel", ElementType::f32, {1, 1, 2, 3}, bytes},
                                 {"c1/bias", ElementType::f32, {3}, bytes.first(12)},
                                 {"layers/f_10/kernel", ElementType::f32, {3, 2}, bytes},
                                 {"layers/f_9/kernel", ElementType::f32, {2, 3}, bytes}};
  const TemporaryFolder folder;
  const std::string path = folder / "w.weights.h5";
  const WeightsFormat& format = format_to_write(path);
  format.write(Output(path, ExitCode::weights), std::span(tensors), {});
  const std::string first = get(path);
  format.write(Output(path, ExitCode::weights), std::span(tensors), {});
  CHECK(get(path) == first);
  const TensorFile file = read_weights(path);
  REQUIRE(file.tensors().size() == std::size(tensors));
  for (const TensorEntry& tensor : tensors) {
    CHECK(file.at(tensor.name).shape == tensor.shape);
    CHECK(text_of(file.at(tensor.name).bytes) == text_of(tensor.bytes));
  }
  CHECK(file.tensors()[2].name == "layers/f_9/kernel");  // numbers in names count as numbers
}

TEST_CASE("a .h5 that is written lists layers, and of each what trains before what does not", "[weights][keras]") {
  if (left_out()) return;
  const std::vector<float> numbers = {1, 2, 3, 4};
  const ByteSpan bytes = std::as_bytes(std::span(numbers));
  std::vector<TensorEntry> tensors;
  for (const char* name : {"layers/block_10/bn/gamma", "layers/block_10/bn/moving_mean", "layers/block_10/c/kernel",
                           "f/kernel", "layers/block_9/c/kernel"})
    tensors.push_back({name, ElementType::f32, {2, 2}, bytes});
  const TemporaryFolder folder;
  const std::string path = folder / "w.h5";
  const WeightsFormat& format = format_to_write(path);
  CHECK(format.ending == ".h5");
  format.write(Output(path, ExitCode::weights), tensors, {});
  const TensorFile file = read_weights(path);
  CHECK(file.names() == TensorNames::keras);
  std::vector<std::string> names;
  for (const TensorEntry& tensor : file.tensors()) {
    names.push_back(tensor.name);
    CHECK(text_of(tensor.bytes) == text_of(bytes));
  }
  CHECK(names == std::vector<std::string>{"block_10/layers/block_10/bn/gamma", "block_10/layers/block_10/c/kernel",
                                          "block_10/layers/block_10/bn/moving_mean", "f/f/kernel",
                                          "block_9/layers/block_9/c/kernel"});
}

TEST_CASE("HDF5 files that mean harm are refused", "[weights][keras][hostile]") {
  if (left_out()) return;
  struct Case {
    const char *name, *reason;
  };
  const Case cases[] = {{"external-link", "a link to somewhere else"},
                        {"soft-link", "a link to somewhere else"},
                        {"cycle", "within themselves"},
                        {"external-data", "lie in other files"},
                        {"virtual", "lie in other files"},
                        {"terabyte", "than the file vouches for"},
                        {"compound", "no little-endian numbers"},
                        {"big-endian", "no little-endian numbers"},
                        {"list-leads-out", "a name that is no path"},
                        {"list-of-nothing", "is not there"}};
  for (const Case& c : cases) {
    const std::string error =
        error_of<WeightsError>([&] { read_weights(samples / "hostile" / (std::string(c.name) + ".h5")); });
    INFO(c.name << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.size() < 500);
  }
  const std::string good = get(samples / "three.weights.h5");
  for (std::size_t length = 8; length < good.size(); length += good.size() / 30)
    CHECK_THROWS_AS(parse_weights(to_bytes(good.substr(0, length)), "cut"), WeightsError);
  std::uint32_t random = 1;
  for (int trial = 0; trial < 60; ++trial) {
    std::string changed = good;
    for (int i = 0; i < 40; ++i) {
      random = random * 1664525 + 1013904223;
      changed[8 + (random >> 8) % 2000] = static_cast<char>(random >> 24);
    }
    try {
      parse_weights(to_bytes(changed), "changed");
    } catch (const WeightsError&) {}
  }
}

TEST_CASE("HDF5's numbers are read where they are IEEE's, whole, and not by their size alone", "[weights][keras][hostile]") {
  if (left_out()) return;
  const std::string zero(1, '\0'), zeros(3, '\0');
  // Format specification, "Floating-Point Bit Field Description" and "Properties": sign, size; offset, precision, exponent's
  // place and size, mantissa's place and size, bias.
  const std::string head = "\x11\x20\x1f" + zero + "\x04" + zeros;
  const std::string float32 = head + zero + zero + "\x20" + zero + "\x17\x08" + zero + "\x17\x7f" + zeros;
  const std::string good = get(samples / "three.weights.h5");
  const auto error_with = [&](const std::string& other) {
    std::string changed = good;
    std::size_t at = 0;
    int count = 0;
    for (; (at = changed.find(float32, at)) != changed.npos; ++count, at += other.size())
      changed.replace(at, other.size(), other);
    CHECK(count >= 6);
    return error_of<WeightsError>([&] { parse_weights(to_bytes(changed), "changed"); });
  };
  CHECK(error_with(float32).empty());
  for (const std::string& other : {
           head + zero + zero + "\x20" + zero + "\x17\x08" + zero + "\x17\x80" + zeros,                // another bias
           head + zero + zero + "\x20" + zero + "\x18\x07" + zero + "\x18\x7f" + zeros,                // other fields
           head + zero + zero + "\x1f" + zero + "\x16\x08" + zero + "\x16\x7f" + zeros,                // 31 bits of 32
           "\x11" + zero + "\x1f" + zero + float32.substr(4),                                          // no implied one
           "\x11\x20\x0f" + zero + "\x02" + zeros + zero + zero + "\x10" + zero + "\x07\x08" + zero +  // bfloat16
               "\x07\x7f" + zeros,
       }) {
    const std::string error = error_with(other);
    INFO(error);
    CHECK(error.find("IEEE 754") != error.npos);
  }

  std::string renamed = good;
  for (std::size_t at = 0; (at = renamed.find("conv2d", at)) != renamed.npos;)
    renamed.replace(at, 6,
                    "conv\xff"
                    "d");
  CHECK(error_of<WeightsError>([&] { parse_weights(to_bytes(renamed), "f"); }).find("is not UTF-8") != std::string::npos);
}

TEST_CASE("a process of its own may crash, hang, take memory or reach out: each is an error here", "[isolated]") {
  const auto nothing = [] {};
  const IsolationLimits limits{.result = 100, .memory = std::uint64_t{64} << 20, .seconds = 1, .wait = 60};
  IsolationLimits brief = limits;
  brief.wait = 1;
  const auto outcome_in = [&](const IsolationLimits& most, const std::function<Bytes()>& work) {
    return error_of<WeightsError>([&] { run_isolated(nothing, work, most, "W", ExitCode::weights); });
  };
  const auto outcome = [&](const std::function<Bytes()>& work) { return outcome_in(limits, work); };
  CHECK(run_isolated(
            nothing, [] { return to_bytes("fine"); }, limits, "W", ExitCode::weights) == to_bytes("fine"));
  CHECK(outcome([]() -> Bytes { throw WeightsError("why"); }) == "why");
  CHECK(outcome([]() -> Bytes { _exit(3); }).find("the library failed") != std::string::npos);
  CHECK(outcome([]() -> Bytes { kill(getpid(), SIGKILL), _exit(0); }).find("the library failed") != std::string::npos);
  CHECK(outcome([]() -> Bytes { __builtin_trap(); }).find("the library failed") != std::string::npos);
  sigset_t xcpu, before;
  sigemptyset(&xcpu), sigaddset(&xcpu, SIGXCPU);
  pthread_sigmask(SIG_BLOCK, &xcpu, &before);
  CHECK(outcome([]() -> Bytes {
          for (volatile int i = 0; i == 0;) continue;
          return {};
        }).find("longer than 1 s") != std::string::npos);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(outcome([] { return Bytes(200); }).find("more than 100 bytes") != std::string::npos);
  CHECK(outcome([] { return Bytes(8 << 20); }).find("more than 100 bytes") != std::string::npos);  // more than a pipe holds
  CHECK(outcome_in(brief, []() -> Bytes {
          std::promise<void>().get_future().wait();
          return {};
        }).find("longer than 1 s by the clock") != std::string::npos);
  CHECK(outcome_in(brief, []() -> Bytes {
          for (int i = 3; i < 100; ++i) close(i);
          std::promise<void>().get_future().wait();
          return {};
        }).find("longer than 1 s by the clock") != std::string::npos);
  const TemporaryFolder folder;
  const std::string witness = folder / "witness";
  outcome([&] {
    put(witness, "x");
    return Bytes();
  });
  CHECK((!fs::exists(witness) || get(witness).empty()));
}

TEST_CASE("a process of its own has none of our open files, and its answer survives without standard ones", "[isolated]") {
  const IsolationLimits limits{.result = 100, .memory = std::uint64_t{64} << 20, .seconds = 1, .wait = 60};
  const auto answer = [&](const std::function<Bytes()>& work) {
    return run_isolated([] {}, work, limits, "W", ExitCode::weights);
  };
  const int ours = dup(STDERR_FILENO);
  REQUIRE(ours > STDERR_FILENO);
  CHECK(answer([&] { return to_bytes(close(ours) == 0 ? "open" : "closed"); }) == to_bytes("closed"));
  close(ours);

  const int kept[] = {dup(STDIN_FILENO), dup(STDOUT_FILENO)};
  close(STDIN_FILENO), close(STDOUT_FILENO);
  Bytes result;
  const std::string error = error_of<WeightsError>([&] { result = answer([] { return to_bytes("fine"); }); });
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO}) dup2(kept[standard], standard), close(kept[standard]);
  CHECK(error.empty());
  CHECK(result == to_bytes("fine"));
}

TEST_CASE("a process of its own ends with the one that it works for", "[isolated]") {
  const TemporaryFolder folder;
  const fs::path written = folder / "written", named = folder / "pid";
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);  // orphans come to us
  const pid_t parent = fork();
  if (parent == 0) {
    run_isolated(
        [&] {
          put(written, std::to_string(getpid()));
          fs::rename(written, named);
        },
        []() -> Bytes {
          std::promise<void>().get_future().wait();
          return {};
        },
        {.result = 100, .memory = std::uint64_t{64} << 20, .seconds = 1, .wait = 600}, "W", ExitCode::weights);
    _exit(0);
  }
  const auto until = [](const std::function<bool()>& done) {
    for (int i = 0; i < 1000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return done();
  };
  REQUIRE(until([&] { return fs::exists(named); }));
  const pid_t child = std::stoi(get(named));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  bool ended = false;
  CHECK(until([&] { return ended = ended || waitpid(child, nullptr, WNOHANG) == child; }));
  if (!ended) kill(child, SIGKILL), waitpid(child, nullptr, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}
