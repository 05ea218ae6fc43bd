// The whole contract between the engine and its kernels: one table of slots per backend. The slots, with formulas and
// shapes, are listed in kernels/slots.def.
//
// Rules for every slot
//   * Views are dense; their shapes are as the comment says (the engine has checked them). Float operands are of one of two
//     kinds. T: images and other activations, their gradients, and the filters and matrices that meet them: float32 or
//     bf16 (float64 in `reference`, which has no bf16). P: parameters, their gradients, statistics, losses, optimiser
//     state: float32 where T is bf16, else T. A comment says where an operand is of kind P.
//   * An empty ConstView / View / Gradient means "not there" / "not wanted"; only operands marked `?` may be empty.
//   * Gradient outputs honour `accumulate`. Outputs never alias inputs unless a comment allows it.
//   * Work is issued to the stream and never waited for. No memory is allocated but stream.workspace.
//   * Sums have a fixed order: the same inputs, options and machine give the same bits.
//   * Arithmetic and accumulation are in float32 at least (float64 inside `reference`); bf16 is rounded once, when stored.
//     Options::tf32 lets matrix products and convolutions of float32 operands round those to TF32 first.
//
// N,H,W,C input, K,R,S,C filters, N,P,Q,K output; labels are int32.
#pragma once

#include <array>

#include "kernels/params.h"
#include "kernels/runtime.h"
#include "kernels/slot.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace tessera::kernels {

// What a convolution does with its sums before it stores them, per output channel: y = f(scale·sum + shift + residual).
struct Conv2dEpilogue {
  ConstView scale = {};                      // ? P [k]; 1 if empty
  ConstView shift = {};                      // ? P [k]; a bias is one
  ConstView residual = {};                   // ? T, shape of y
  Activation activation = Activation::none;  // not one that needs_input
};

struct Backend {
  const char* name;
  const Runtime& runtime;
  const Backend* overlays = nullptr;  // the table whose devices this one runs on, with other kernels in some slots
  bool gpu = false;                   // its devices are GPUs, told apart by number

#define TESSERA_SLOT(name, ...) Slot<#name, void(Stream&, __VA_ARGS__)> name;
#include "kernels/slots.def"
};

// Calls visit(slot) for every slot, in the table's order: tests and benchmarks are complete by construction.
template <class Visitor>
void for_each_slot(const Backend& b, Visitor&& visit) {
#define TESSERA_SLOT(name, ...) visit(b.name);
#include "kernels/slots.def"
}

// The slots of `below` under another name and runtime: what a backend that replaces only some of them starts from.
inline Backend overlay(const Backend& below, const char* name, const Runtime& runtime) {
  return {
      .name = name,
      .runtime = runtime,
      .overlays = &below,
      .gpu = below.gpu,
#define TESSERA_SLOT(name, ...) .name = below.name,
#include "kernels/slots.def"
  };
}

inline const char* backend_name(const Stream& stream) { return stream.backend.name; }

}  // namespace tessera::kernels
