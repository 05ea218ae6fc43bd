// Branches, barriers, shuffles and votes (PTX ISA 9.7.12 and 9.7.13).
#include "tests/ptx/interpreter/control.h"
#include "tests/ptx/interpreter/decoder.h"

namespace tessera::ptx {
namespace {

// Barrier 0 of the whole block is all that __syncthreads and __syncthreads_or use.
void barrier(Statement& s) {
  s.accept({"aligned", "cta"});
  if (s.has("warp")) {
    s.accept({"sync"});
    s.from(0, 0, Type::B32);
    s.i.handler = run_warp_barrier;
  } else if (s.has("red")) {
    if (s.x.size() != 3 || s.x[1] != "0") throw DecodeError("a barrier other than 0, or of some threads");
    s.to(0, 0, Type::pred), s.from(1, 2, Type::pred);
    s.i.handler = s.has("or") ? run_barrier_any : s.has("and") ? run_barrier_all : nullptr;
  } else if (s.has("sync")) {
    if (s.x.size() != 1 || s.x[0] != "0") throw DecodeError("a barrier other than 0, or of some threads");
    s.i.handler = run_barrier;
  }
}

void shuffle(Statement& s) {  // shfl.sync.bfly.b32 d|p, a, b, c, mask
  const auto results = split(s.x.at(0), '|');
  s.accept({"sync"});
  s.i.at[0] = s.decoder.destination(results[0], Type::B32);
  if (results.size() > 1) s.i.at[1] = s.decoder.destination(results[1], Type::pred);
  for (int n = 0; n < 4; ++n) s.from(2 + n, static_cast<std::size_t>(1 + n), Type::B32);
  s.i.handler = s.has("bfly")   ? run_shuffle_butterfly
                : s.has("down") ? run_shuffle_down
                : s.has("up")   ? run_shuffle_up
                : s.has("idx")  ? run_shuffle_index
                                : nullptr;
}

void vote(Statement& s) {  // vote.sync.ballot.b32 d, p, mask
  s.accept({"sync"});
  const bool ballot = s.has("ballot");
  s.to(0, 0, ballot ? Type::B32 : Type::pred), s.from(1, 1, Type::pred), s.from(2, 2, Type::B32);
  s.i.handler = ballot ? run_vote_ballot : s.has("any") ? run_vote_any : s.has("all") ? run_vote_all : nullptr;
}

}  // namespace

bool decode_control(Statement& s) {
  if (s.op == "bra") {
    s.accept({"uni"});
    s.decoder.jump(s.x.at(0));
    s.i.handler = run_branch;
  } else if (s.op == "ret" || s.op == "exit") {
    s.accept({"uni"});
    s.i.handler = run_exit;
  } else if (s.op == "bar" || s.op == "barrier") {
    barrier(s);
  } else if (s.op == "shfl") {
    shuffle(s);
  } else if (s.op == "vote") {
    vote(s);
  } else if (s.op == "activemask") {
    s.to(0, 0, Type::B32);
    s.i.handler = run_active_mask;
  } else if (s.op == "membar" || s.op == "fence") {  // memory is always in order here
    s.accept_all();
    s.i.handler = run_nothing;
  } else {
    return false;
  }
  return true;
}

}  // namespace tessera::ptx
