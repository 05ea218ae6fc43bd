// The micro-kernels of each instruction set: that they agree with plain loops, and that their object files export nothing
// but their tables (a function shared by the linker would put, say, AVX-512 code into the rest of the program).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kernels/backends.h"
#include "kernels/cpu/isa/kernels.h"
#include "kernels/errors.h"
#include "kernels/philox.h"
#include "tests/catch.h"

using namespace tessera::kernels;
namespace isa = cpu::isa;

namespace {

std::vector<const isa::Kernels*> supported() {
  std::vector<const isa::Kernels*> sets;
  for (const InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
    try {
      sets.push_back(&isa::kernels(set));
    } catch (const DeviceError& e) {
      WARN("not tested: " << e.what());
    }
  }
  return sets;
}

std::vector<float> numbers(std::uint64_t stream, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i)
    values[static_cast<std::size_t>(i)] =
        to_unit(philox(1, Purpose::test, stream, static_cast<std::uint64_t>(i)).v[0]) - 0.5f;
  return values;
}

double activated(double x, Activation f) {
  return f == Activation::relu ? std::max(x, 0.0) : f == Activation::sigmoid ? 1 / (1 + std::exp(-x)) : x;
}

}  // namespace

TEST_CASE("rows: points × output channels, for every instruction set", "[kernels][isa]") {
  for (const isa::Kernels* set : supported())
    for (std::int64_t channels : {1, 3, 4, 5, 8, 9, 16, 17, 31, 32, 33, 70})
      for (std::int64_t points : {1, 7, 12, 13, 29})
        for (Activation f : {Activation::none, Activation::relu, Activation::sigmoid})
          for (bool accumulate : {false, true}) {
            constexpr std::int64_t taps = 2, length = 5;
            const std::int64_t width = set->panel_width, panels = (channels + width - 1) / width, reduction = taps * length;
            const std::vector<float> in = numbers(1, (points + 1) * length), w = numbers(2, channels * reduction);
            const std::vector<float> bias = numbers(3, channels), before = numbers(4, points * channels);
            std::vector<float> packed(static_cast<std::size_t>(panels * width * reduction), NAN), out = before;
            for (std::int64_t i = 0; i < panels; ++i)
              set->for_float.pack_transposed(w.data() + i * width * reduction, reduction, reduction,
                                             std::min(width, channels - i * width), packed.data() + i * width * reduction);
            set->for_float.rows({.in = in.data(),
                                 .in_image = 0,
                                 .in_row = 0,
                                 .in_column = length,
                                 .out = out.data(),
                                 .out_image = 0,
                                 .out_row = 0,
                                 .out_column = channels,
                                 .images = 1,
                                 .rows = 1,
                                 .columns = points,
                                 .taps = taps,
                                 .tap_step = length,
                                 .length = length,
                                 .panels = packed.data(),
                                 .panel_floats = width * reduction,
                                 .channels = channels,
                                 .epilogue = {.shift = bias.data(), .activation = f, .accumulate = accumulate}});
            INFO(set->name << ", " << channels << " channels, " << points << " points");
            for (std::int64_t p = 0; p < points; ++p)
              for (std::int64_t k = 0; k < channels; ++k) {
                const auto at = static_cast<std::size_t>(p * channels + k);
                double sum = static_cast<double>(bias[static_cast<std::size_t>(k)]) + (accumulate ? before[at] : 0.0f);
                for (std::int64_t l = 0; l < reduction; ++l)
                  sum += static_cast<double>(in[static_cast<std::size_t>(p * length + l)]) *
                         w[static_cast<std::size_t>(k * reduction + l)];
                if (std::abs(out[at] - activated(sum, f)) > 1e-6)
                  FAIL("point " << p << ", channel " << k << ": " << out[at]);
              }
          }
}

TEST_CASE("sigmoid of the micro-kernels: saturation and NaN", "[kernels][isa]") {
  for (const isa::Kernels* set : supported()) {
    INFO(set->name);
    const std::array<float, 6> in{-INFINITY, -100.0f, 0.0f, 100.0f, INFINITY, NAN};
    std::vector<float> panel(static_cast<std::size_t>(set->panel_width), 1.0f);
    std::array<float, 6> out{};
    isa::Rows<float> job{};
    job.in = in.data(), job.in_column = 1, job.out = out.data(), job.out_column = 1;
    job.images = job.rows = job.taps = job.length = job.channels = 1, job.columns = 6;
    job.panels = panel.data(), job.epilogue.activation = Activation::sigmoid;
    set->for_float.rows(job);
    CHECK(out[0] < 1e-37f);
    CHECK(out[1] < 1e-37f);
    CHECK(out[2] == 0.5f);
    CHECK(out[3] == 1.0f);
    CHECK(out[4] == 1.0f);
    CHECK(std::isnan(out[5]));
  }
}

TEST_CASE("outer: sums of outer products, for every instruction set", "[kernels][isa]") {
  for (const isa::Kernels* set : supported())
    for (std::int64_t rows : {1, 5, 12, 17})
      for (std::int64_t columns : {1, 5, 8, 15, 16, 17, 33, 64})
        for (bool accumulate : {false, true}) {
          constexpr std::int64_t points = 6;
          const std::vector<float> a = numbers(5, points * rows), b = numbers(6, points * columns);
          const std::vector<float> before = numbers(7, rows * columns);
          std::vector<float> out = before;
          isa::Outer job{};
          job.a = a.data(), job.a_column = rows, job.b = b.data(), job.b_column = columns, job.images = job.rows = 1;
          job.columns = points, job.out = out.data(), job.out_step = columns, job.rows_out = rows, job.columns_out = columns;
          job.accumulate = accumulate;
          set->outer(job);
          INFO(set->name << ", " << rows << " × " << columns);
          for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < columns; ++j) {
              const auto at = static_cast<std::size_t>(i * columns + j);
              double sum = accumulate ? before[at] : 0.0f;
              for (std::int64_t p = 0; p < points; ++p)
                sum += static_cast<double>(a[static_cast<std::size_t>(p * rows + i)]) *
                       b[static_cast<std::size_t>(p * columns + j)];
              if (std::abs(out[at] - sum) > 1e-6) FAIL("row " << i << ", column " << j << ": " << out[at] << " for " << sum);
            }
        }
}

TEST_CASE("rows and panels of bf16: as of float32, rounded once", "[kernels][isa]") {
  constexpr std::int64_t reduction = 11, points = 13;
  for (const isa::Kernels* set : supported())
    for (std::int64_t channels : {1, 5, 8, 15, 16, 33}) {
      INFO(set->name << ", " << channels << " channels");
      const std::int64_t width = set->panel_width, panels = (channels + width - 1) / width;
      // The same numbers in both types.
      const auto halves = [](const std::vector<float>& values) {
        std::vector<bf16> h(values.size());
        std::transform(values.begin(), values.end(), h.begin(), to_bf16);
        return h;
      };
      const auto floats = [](const std::vector<bf16>& values) {
        std::vector<float> f(values.size());
        std::transform(values.begin(), values.end(), f.begin(), [](bf16 x) { return to_float(x); });
        return f;
      };
      const std::vector<bf16> w = halves(numbers(8, channels * reduction)), residual = halves(numbers(9, points * channels));
      const std::vector<float> w_float = floats(w), residual_float = floats(residual);
      const std::vector<float> in = numbers(10, points * reduction);
      const std::vector<float> scale = numbers(11, channels), shift = numbers(12, channels);

      std::vector<float> packed(static_cast<std::size_t>(panels * width * reduction), NAN), packed_float = packed;
      for (std::int64_t i = 0; i < panels; ++i) {
        const std::int64_t from = i * width * reduction, count = std::min(width, channels - i * width);
        set->for_bf16.pack_transposed(w.data() + from, reduction, reduction, count, packed.data() + from);
        set->for_float.pack_transposed(w_float.data() + from, reduction, reduction, count, packed_float.data() + from);
      }
      CHECK(packed == packed_float);

      std::vector<bf16> out(static_cast<std::size_t>(points * channels));
      std::vector<float> out_float(out.size());
      const auto fill = [&](auto& job, auto* to, auto* add) {
        job.in = in.data(), job.in_column = reduction, job.out = to, job.out_column = channels;
        job.images = job.rows = job.taps = 1, job.columns = points, job.length = reduction;
        job.panels = packed.data(), job.panel_floats = width * reduction, job.channels = channels;
        job.epilogue = {scale.data(), shift.data(), add, Activation::relu, false};
      };
      isa::Rows<bf16> job{};
      fill(job, out.data(), residual.data());
      set->for_bf16.rows(job);
      isa::Rows<float> job_float{};
      fill(job_float, out_float.data(), residual_float.data());
      set->for_float.rows(job_float);
      for (std::size_t i = 0; i < out.size(); ++i)
        if (out[i].bits != to_bf16(out_float[i]).bits) FAIL("element " << i << ": " << out_float[i]);
    }
}

TEST_CASE("the instruction set is one of a stream's options", "[kernels][isa]") {
  for (const isa::Kernels* set : supported()) {
    Options options;
    for (std::size_t i = 1; i < instruction_set_names.size(); ++i)
      if (instruction_set_names[i] == set->name) options.instruction_set = static_cast<InstructionSet>(i);
    const Stream stream(*find_backend("cpu"), 0, options);
    CHECK(&isa::kernels(stream) == set);
    CHECK(&cpu::simd_loops(stream) == &set->loops);
  }
  CHECK(&isa::kernels(Stream(*find_backend("cpu"), 0, {})) == supported().back());  // the best
}

TEST_CASE("an unknown instruction set in the environment is refused by name", "[kernels][isa]") {
  const char* const before = std::getenv("TESSERA_ISA");
  const std::string kept = before ? before : "";
  setenv("TESSERA_ISA", "mmx", 1);
  CHECK_THROWS_WITH(instruction_set_of_environment(), Catch::Contains("'mmx'") && Catch::Contains("baseline"));
  setenv("TESSERA_ISA", "avx2", 1);
  CHECK(instruction_set_of_environment() == InstructionSet::avx2);
  before ? setenv("TESSERA_ISA", kept.c_str(), 1) : unsetenv("TESSERA_ISA");
}

#if defined(__x86_64__) && defined(TESSERA_KERNELS_LIBRARY)
namespace {

// What a tool of binutils prints about the library, line by line.
template <class Visit>
void for_each_line(const std::string& tool, const Visit& visit) {
  const std::unique_ptr<FILE, int (*)(FILE*)> output(popen((tool + " '" TESSERA_KERNELS_LIBRARY "' 2>&1").c_str(), "r"),
                                                     pclose);
  REQUIRE(output);
  std::string line;
  for (int c = std::fgetc(output.get()); c != EOF; c = std::fgetc(output.get())) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    visit(line);
    line.clear();
  }
}

const std::set<std::string> isa_files{"avx2", "avx512", "avx512vnni"};

}  // namespace

TEST_CASE("object files of an instruction set export their table and nothing else", "[kernels][isa]") {
  std::set<std::string> tables;
  // library:avx2.cpp.o:0000000000000000 D tessera::kernels::cpu::isa::avx2
  for_each_line("nm --print-file-name --extern-only --defined-only --demangle", [&](const std::string& line) {
    for (const std::string& name : isa_files)
      if (line.find(":" + name + ".cpp.o:") != std::string::npos) {
        INFO(line);
        const bool sanitizer = line.find("__odr_asan") != std::string::npos;
        CHECK((sanitizer || line.ends_with(" tessera::kernels::cpu::isa::" + name)));
        tables.insert(name);
      }
  });
  CHECK(tables == isa_files);
}

#if !defined(__AVX__)  // else the whole program is compiled for it
TEST_CASE("no other object file has an instruction of AVX", "[kernels][isa]") {
  std::string object, offender;
  std::set<std::string> with_avx;
  for_each_line("objdump --disassemble --no-show-raw-insn", [&](const std::string& line) {
    const std::size_t name_end = line.find(".cpp.o:     file format");  // avx2.cpp.o:     file format elf64-x86-64
    if (name_end != std::string::npos) object = line.substr(0, name_end);
    //     1234:\tvaddps %ymm0,%ymm1,%ymm2
    const std::size_t tab = line.find('\t');
    const bool vector = line.find("%ymm") != std::string::npos || line.find("%zmm") != std::string::npos ||
                        line.find("%xmm") != std::string::npos;
    if (!vector || tab == std::string::npos || line.compare(tab + 1, 1, "v") != 0) return;
    with_avx.insert(object);
    if (!isa_files.contains(object)) offender = object + ": " + line;
  });
  INFO(offender);
  CHECK(with_avx == isa_files);
}
#endif
#endif
