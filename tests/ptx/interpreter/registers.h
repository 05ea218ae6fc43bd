// Registers of a kernel. PTX has as many as its writer likes, each written about once; those that do not live at the same
// time share a place here, so that a warp's registers stay in the cache.
#pragma once

#include <vector>

#include "tests/ptx/interpreter/program.h"

namespace tessera::ptx {

class Registers {
 public:
  // A register of `bytes` for a warp; kept: written before the kernel begins, it shares its place with none. Its number
  // stands for its place until share_places().
  Place add(u32 bytes, bool kept);
  void use(std::size_t instruction, Place number) { uses_.push_back({instruction, static_cast<u32>(number)}); }
  void define(std::size_t instruction, Place number) { definitions_.push_back({instruction, static_cast<u32>(number)}); }

  // Gives every register its place and writes it into the code's operands and guards; returns the bytes of a warp's
  // registers.
  u32 share_places(std::vector<Instruction>& code);
  Place place_of(Place number) const { return places_[static_cast<std::size_t>(number)]; }

 private:
  struct Register {
    u32 bytes;
    bool kept;
  };
  struct Touch {
    std::size_t instruction;
    u32 number;
  };
  std::vector<Register> registers_;
  std::vector<Touch> uses_, definitions_;
  std::vector<Place> places_;
};

}  // namespace tessera::ptx
