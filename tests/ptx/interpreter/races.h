// Who touched which byte: two threads of which one writes race where no barrier lies between them.
#pragma once

#include "tests/ptx/interpreter/types.h"

namespace tessera::ptx {

struct Warp;
struct Instruction;

// The last accesses of a byte of shared memory. An epoch lies between two barriers of a block.
struct SharedShadow {
  u32 write_epoch = 0, read_epoch = 0;
  u16 writer = 0, reader = 0;
  bool many_readers = false;
};

// Of a byte of global memory: between the threads of a block, and between the blocks of a launch, which no barrier orders.
struct GlobalShadow {
  u32 write_launch, write_epoch, write_block;
  u32 read_launch, read_epoch, read_block;
  u16 writer, reader;
  bool many_readers, many_blocks, noncoherent;
};

class GlobalRaces {
 public:
  GlobalRaces() = default;
  ~GlobalRaces();
  GlobalRaces(const GlobalRaces&) = delete;
  GlobalRaces& operator=(const GlobalRaces&) = delete;
  GlobalShadow& at(u64 address);

 private:
  GlobalShadow* shadow_ = nullptr;
};

// Notes the access, and a race where it is one.
void note_shared_access(Warp& w, const Instruction& i, u32 lane, u32 offset, u32 bytes, bool write);
void note_global_access(Warp& w, const Instruction& i, u32 lane, u64 address, u32 bytes, bool write);

}  // namespace tessera::ptx
