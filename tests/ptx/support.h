// Runs a few PTX instructions on the lanes of one warp or block.
#pragma once

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/catch.h"
#include "tests/ptx/interpreter/machine.h"

namespace tessera::ptx::test {

// The kernel of a PTX text with the given body. Its parameters are %p0, %p1, … of 64 bits, addresses, read into %x0, %x1, ….
inline std::string kernel_text(const std::string& body, std::size_t parameters, u32 threads = 32) {
  std::string text =
      ".version 9.0\n.target sm_80\n.address_size 64\n"
      ".extern .shared .align 16 .b8 dynamic[];\n.visible .entry test(";
  for (std::size_t n = 0; n < parameters; ++n) text += (n ? ",\n" : "\n") + (".param .u64 p" + std::to_string(n));
  text += "\n)\n.maxntid " + std::to_string(threads) +
          "\n{\n.reg .b64 %x<8>;\n.reg .b32 %t<8>;\n.reg .pred %p<8>;\nmov.u32 %t0, %tid.x;\n";
  for (std::size_t n = 0; n < parameters; ++n) {
    const std::string i = std::to_string(n);
    text += "ld.param.u64 %x" + i + ", [p" + i + "];\ncvta.to.global.u64 %x" + i + ", %x" + i + ";\n";
  }
  return text + body + "\nret;\n}\n";
}

struct Decoded {
  std::unique_ptr<Module> module;
  Kernel& kernel() { return *module->kernels.begin()->second; }
};
inline Decoded decode(const std::string& body, std::size_t parameters = 0, u32 threads = 32) {
  return {parse(kernel_text(body, parameters, threads))};
}

// Memory and launches of one machine.
class Bench {
 public:
  explicit Bench(const Options& options = {}) : machine(options) {}

  template <class T>
  u64 upload(const std::vector<T>& values) {
    const u64 address = machine.memory.allocate(values.size() * sizeof(T));
    std::memcpy(machine.memory.host(address), values.data(), values.size() * sizeof(T));
    machine.memory.mark_written(address, values.size() * sizeof(T));
    return address;
  }
  template <class T>
  std::vector<T> download(u64 address, std::size_t count) {
    std::vector<T> values(count);
    std::memcpy(values.data(), machine.memory.host(address), count * sizeof(T));
    return values;
  }
  void run(const std::string& body, const std::vector<u64>& parameters, Dim block = {32, 1, 1}, Dim grid = {},
           u32 dynamic = 0) {
    decoded_ = decode(body, parameters.size(), 1024);
    REQUIRE(decoded_.kernel().error == "");
    Launch launch{&decoded_.kernel(), grid, block, dynamic,
                  std::vector<char>(parameters.size() * sizeof(u64) + sizeof(u64))};
    std::memcpy(launch.parameters.data(), parameters.data(), parameters.size() * sizeof(u64));
    machine.run(launch);
  }

  Machine machine;

 private:
  Decoded decoded_;
};

template <class T>
std::string type_of() {
  if (std::is_same_v<T, f32>) return "f32";
  if (std::is_same_v<T, f64>) return "f64";
  return "b" + std::to_string(8 * sizeof(T));
}

// What the instructions leave in %d of each lane, where %a0, %a1, … hold the lane's values of the operands; as many lanes as
// there are values, the first operand's type deciding nothing but its own register's width.
template <class D, class... A>
std::vector<D> lanes(const std::string& instructions, const std::vector<A>&... operands) {
  Bench bench;
  const std::size_t counts[] = {operands.size()...};
  std::vector<u64> parameters{bench.machine.memory.allocate(lane_count * sizeof(D)), bench.upload(operands)...};
  std::string body =
      ".reg ." + type_of<D>() + " %d;\nmul.wide.u32 %x6, %t0, " + std::to_string(sizeof(D)) + ";\nadd.s64 %x0, %x0, %x6;\n";
  std::size_t n = 0;
  const auto load = [&](const std::string& type, std::size_t size) {
    const std::string a = "%a" + std::to_string(n), x = "%x" + std::to_string(n + 1);
    body += ".reg ." + type + " " + a + ";\nmul.wide.u32 %x6, %t0, " + std::to_string(size) + ";\nadd.s64 " + x + ", " + x +
            ", %x6;\nld.global." + type + " " + a + ", [" + x + "];\n";
    ++n;
  };
  (load(type_of<A>(), sizeof(A)), ...);
  bench.run(body + instructions + "\nst.global." + type_of<D>() + " [%x0], %d;", parameters,
            {static_cast<u32>(counts[0]), 1, 1});
  return bench.download<D>(parameters[0], counts[0]);
}

}  // namespace tessera::ptx::test
