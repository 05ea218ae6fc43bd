// The fuzzer of one reader, chosen at compile time (-DTESSERA_FUZZ_READER=name -DTESSERA_FUZZ_MUTATION=name), so that each
// has a corpus and a coverage of its own.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "engine/core/error.h"
#include "kernels/errors.h"
#include "tests/fuzz/targets/mutations.h"
#include "tests/fuzz/targets/readers.h"

using namespace tessera;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    fuzz::TESSERA_FUZZ_READER(std::as_bytes(std::span(data, size)));
  } catch (const Error&) {
  } catch (const kernels::DeviceError&) {}
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  fuzz::Random random(seed + 1);
  if (random() % 4 > 0) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (const std::optional<std::string> changed = fuzz::TESSERA_FUZZ_MUTATION(input, most, random);
        changed && changed->size() <= most) {
      std::memcpy(data, changed->data(), changed->size());
      return changed->size();
    }
  }
  return LLVMFuzzerMutate(data, size, most);
}
