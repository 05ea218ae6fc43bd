// A PTX module, decoded: kernels of instructions that run for the 32 lanes of a warp at a time.
#pragma once

#include <climits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/ptx/interpreter/types.h"

namespace tessera::ptx {

struct Warp;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&);

// Where an operand lies: >= 0 a byte offset in the warp's registers, < 0 (as ~offset) in the kernel's constants. A value is
// 32 lanes side by side; a predicate is the 32 bits of one u32.
using Place = i32;
constexpr Place none = INT_MIN;

struct Instruction {
  Handler handler = nullptr;
  Place guard = none;
  bool guard_not = false;
  bool own_guard = false;    // the handler looks at the guard itself: branches
  bool noncoherent = false;  // ld.global.nc
  u8 count = 1;              // elements of a vector
  u8 address_bytes = 8;      // width of an address register
  u8 size = 0;               // bytes of an access, where the handler does not know
  u32 target = 0;            // of a branch; groups of a wait; cp.async: offset of the source
  i64 offset = 0;            // of an address
  Place at[14];              // operands; which is which is said at each handler
  u32 line = 0;              // of the PTX text
  u32 file = 0, source_line = 0;
  mutable u64 hits = 0;                                              // how often it ran
  mutable u64 block_begin = 0, block_end = 0, block_generation = 0;  // the allocation last touched: most accesses stay in it
};

// A variable in shared memory.
struct Symbol {
  std::string name;
  u32 align = 1;
  u64 size = 0;
  bool external = false;
};

struct Parameter {
  u32 offset, size, align;
};

// A parameter that an instruction reads: it is spread over the lanes of a constant before each launch.
struct ParameterUse {
  u32 constant;   // offset in the constants
  u32 parameter;  // offset in the parameter block
  u8 size;        // bytes in the parameter block
  u8 width;       // bytes a lane
  bool is_signed;
};

enum class Special : u8 {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid
};

struct Kernel {
  std::string name;
  std::string error;  // why it could not be decoded
  std::vector<Instruction> code;
  std::vector<std::string> text;  // of the instructions
  std::vector<Parameter> parameters;
  std::map<std::string, Parameter> parameter_by_name;
  u32 parameter_bytes = 0;
  u32 max_threads[3] = {0, 0, 0};  // __launch_bounds__: .maxntid
  u32 blocks_per_multiprocessor = 0;
  u32 register_bytes = 0;  // of a warp
  std::vector<char> constants;
  std::vector<ParameterUse> parameter_uses;
  std::vector<std::pair<Special, Place>> special;
  std::map<std::string, u32> shared;  // offsets of the variables it uses
  u32 static_shared = 0, dynamic_offset = 0;
  bool uses_dynamic = false;
  const std::vector<std::string>* files = nullptr;
  u64 launches = 0;

  // "file.cu:12, PTX line 345: add.s32 …"
  std::string place(const Instruction& i) const;
};

struct Module {
  std::map<std::string, std::unique_ptr<Kernel>> kernels;
  std::vector<std::string> files{"?"};
  std::map<std::string, Symbol> shared;
};

// Decodes all kernels of a PTX text. One that holds what the interpreter does not know has an `error` and no code.
std::unique_ptr<Module> parse(const std::string& text);

std::string demangled(const std::string& name);

}  // namespace tessera::ptx
