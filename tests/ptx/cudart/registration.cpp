// What the glue that nvcc writes calls before main: kernels and their PTX are made known.
#include <cstdio>
#include <cstring>

#include "tests/ptx/cudart/driver.h"

using namespace tessera::ptx;

namespace {

template <class T>
T value_at(const char* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

// The layout of a fat binary: a header, then entries, each with a header of its own. Kind 1 is PTX.
std::string ptx_of(const char* fatbin) {
  constexpr u32 magic = 0xBA55ED50u;
  constexpr u16 kind_ptx = 1;
  if (value_at<u32>(fatbin) != magic) return "";
  const u64 header = value_at<u16>(fatbin + 6), size = value_at<u64>(fatbin + 8);
  for (u64 at = header; at + 64 <= header + size;) {
    const char* const entry = fatbin + at;
    const u64 entry_header = value_at<u32>(entry + 4), bytes = value_at<u64>(entry + 8);
    if (value_at<u16>(entry) == kind_ptx) {
      const std::string text(entry + entry_header, entry + entry_header + bytes);
      if (text.find(".version") != std::string::npos) return text.substr(0, text.find('\0'));
      std::fprintf(stderr, "[ptx] this program's PTX is compressed: build it with nvcc --compress-mode=none\n");
    }
    at += entry_header + bytes;
  }
  return "";
}

struct Wrapper {  // fatBinaryWrapper
  int magic, version;
  const char* data;
  void* more;
};

}  // namespace

TESSERA_PTX_API void** __cudaRegisterFatBinary(void* wrapper) {
  Driver& driver = Driver::instance();
  driver.binaries.push_back(std::make_unique<Binary>());
  driver.binaries.back()->text = ptx_of(static_cast<const Wrapper*>(wrapper)->data);
  return reinterpret_cast<void**>(driver.binaries.back().get());
}
TESSERA_PTX_API void __cudaRegisterFatBinaryEnd(void**) {}
TESSERA_PTX_API void __cudaUnregisterFatBinary(void**) {}
TESSERA_PTX_API char __cudaInitModule(void**) { return 1; }
TESSERA_PTX_API void __cudaRegisterFunction(void** binary, const char* host, char*, const char* name, int, uint3*, uint3*,
                                            dim3*, dim3*, int*) {
  Function& f = Driver::instance().functions[host];
  f.binary = reinterpret_cast<Binary*>(binary);
  f.name = name;
}
TESSERA_PTX_API void __cudaRegisterVar(void**, char*, char*, const char* name, int, size_t, int, int) {
  Driver::instance().machine.note(std::string("a device variable, which is not supported: ") + name);
}
