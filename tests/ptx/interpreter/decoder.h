// Decodes the statements of one kernel. What nvcc emits for our kernels is known; anything else, a modifier that nobody
// asked about included, is a DecodeError.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tests/ptx/interpreter/program.h"
#include "tests/ptx/interpreter/registers.h"
#include "tests/ptx/interpreter/text.h"

namespace tessera::ptx {

struct SourcePlace {
  u32 line = 0, file = 0, source_line = 0;
};

class Decoder {
 public:
  struct Register {
    Type type;
    Place number;
  };

  Decoder(Kernel& k, Module& m) : kernel(k), module_(m), scopes_(1) {}

  void open_scope() { scopes_.emplace_back(); }
  void close_scope() { scopes_.pop_back(); }
  void declare_registers(const std::string& text);  // ".reg .b32 %r<6>" or ".reg .b16 low, high"
  void label(const std::string& name, SourcePlace where);
  void statement(const std::string& text, SourcePlace where);  // "@%p1 add.s32 %r1, %r2, 3"
  void finish();

  // ---- operands of the statement at hand ----
  const Register* find(const std::string& name) const;
  const Register& require(const std::string& name) const;
  Place source(const std::string& text, Type type);  // register, number, special register, parameter's or variable's address
  Place destination(const std::string& name, Type type);
  Place used(const Register& r);
  Place defined(const Register& r);
  Place shared_address(const std::string& variable, i64 offset, u32 width);
  Place parameter(const Parameter& p, u32 offset, u32 bytes, u32 width, bool is_signed);
  void jump(const std::string& label);

  Kernel& kernel;

 private:
  Instruction& emit(Handler handler, SourcePlace where, const std::string& text);
  u32 room(u32 width);  // for a value of all lanes among the constants
  Place constant(u64 bits, u32 width);
  Place special(const std::string& name, u32 width);
  void place_shared_variables();

  Module& module_;
  Registers registers_;
  std::vector<std::map<std::string, Register>> scopes_;
  std::map<std::string, u32> labels_;
  std::vector<std::pair<std::size_t, std::string>> jumps_;
  std::map<std::pair<u64, u32>, Place> constants_;
  std::map<std::tuple<u32, u32, u32, bool>, Place> parameters_;
  std::map<std::string, Place> specials_;
  struct AddressConstant {
    u32 at, width;
    std::string variable;
    i64 offset;
  };
  std::vector<AddressConstant> address_constants_;
};

// "[%rd1+24]", "[name+8]", "[%rd1]"
struct Address {
  explicit Address(const std::string& text);
  std::string base;
  i64 offset = 0;
};

// The statement at hand, for the families of instructions. Places are written into `i`.
class Statement {
 public:
  Statement(Decoder& d, Instruction& instruction, const std::string& text);

  // Modifiers. What is neither asked about nor accepted until the end is an error.
  bool has(const char* modifier);
  void accept(std::initializer_list<const char*> modifiers);
  void accept_all() { known_.assign(parts.size(), true); }
  void require_all_known() const;

  void to(int at, std::size_t operand, Type t) { i.at[at] = decoder.destination(x[operand], t); }
  void from(int at, std::size_t operand, Type t) { i.at[at] = decoder.source(x[operand], t); }
  void operands(int sources) { operands(sources, type); }  // x[0] = x[1], x[2], … of one type
  void operands(int sources, Type t);
  void address(const std::string& text);                              // at[4] and what belongs to it
  static std::vector<std::string> elements(const std::string& text);  // "{a, b}", or one

  Decoder& decoder;
  Instruction& i;
  std::string opcode;
  std::vector<std::string> parts;  // of the opcode: "add", "s32"
  std::string op;
  std::vector<std::string> x;
  Type type = Type::unknown;  // the last part
  u32 width = 0;              // its bytes

 private:
  std::vector<bool> known_;
};

// The families: false where the instruction is none of theirs.
bool decode_integer(Statement& s);  // add sub mul mad div rem min max neg abs
bool decode_float(Statement& s);    // the same, fma sqrt rcp rsqrt ex2 lg2, of f32 and f64
bool decode_logic(Statement& s);    // and or xor not shl shr shf bfe bfi prmt popc clz brev
bool decode_compare(Statement& s);  // setp selp
bool decode_convert(Statement& s);  // cvt cvta
bool decode_move(Statement& s);     // mov
bool decode_memory(Statement& s);   // ld st atom red
bool decode_control(Statement& s);  // bra ret bar shfl vote activemask membar fence
bool decode_matrix(Statement& s);   // ldmatrix mma cp.async

}  // namespace tessera::ptx
