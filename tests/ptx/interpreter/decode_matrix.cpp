// ldmatrix, mma and cp.async.
#include <cstdlib>

#include "tests/ptx/interpreter/decoder.h"
#include "tests/ptx/interpreter/matrices.h"

namespace tessera::ptx {
namespace {

void load_matrices(Statement& s) {
  const auto values = Statement::elements(s.x.at(0));
  for (std::size_t n = 0; n < values.size(); ++n) s.i.at[n] = s.decoder.destination(values[n], Type::B32);
  s.i.count = static_cast<u8>(values.size());
  s.address(s.x.at(1));
  s.accept({"sync", "aligned"});
  const bool trans = s.has("trans");
  if (s.has("m8n8") && s.has("shared") && s.type == Type::B16 &&
      s.has(values.size() == 4   ? "x4"
            : values.size() == 2 ? "x2"
                                 : "x1"))
    s.i.handler = trans ? run_ldmatrix_transposed : run_ldmatrix;
}

void multiply_matrices(Statement& s) {
  const bool bf16 = s.opcode == "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32";
  if (!bf16 && s.opcode != "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32") return;
  s.accept_all();
  const auto d = Statement::elements(s.x.at(0)), a = Statement::elements(s.x.at(1)), b = Statement::elements(s.x.at(2)),
             c = Statement::elements(s.x.at(3));
  if (d.size() != 4 || a.size() != 4 || b.size() != 2 || c.size() != 4) throw DecodeError("another number of elements");
  for (std::size_t n = 0; n < 4; ++n) {
    s.i.at[n] = s.decoder.destination(d[n], Type::F32);
    s.i.at[4 + n] = s.decoder.source(a[n], Type::B32);
    s.i.at[10 + n] = s.decoder.source(c[n], Type::F32);
  }
  for (std::size_t n = 0; n < 2; ++n) s.i.at[8 + n] = s.decoder.source(b[n], Type::B32);
  s.i.handler = bf16 ? run_mma_bf16 : run_mma_tf32;
}

void copy(Statement& s) {  // cp.async.cg.shared.global [to], [from], 16, source bytes
  if (!s.has("async")) return;
  if (s.has("commit_group")) {
    s.i.handler = run_copy_commit;
  } else if (s.has("wait_group")) {
    s.i.target = static_cast<u32>(std::atoi(s.x.at(0).c_str()));
    s.i.handler = run_copy_wait;
  } else if (s.has("shared") && s.has("global")) {
    const bool past_l1 = s.has("cg"), any = s.has("ca");
    const Address to(s.x.at(0)), from(s.x.at(1));
    s.i.at[0] = s.decoder.source(to.base, Type::B32);
    s.i.offset = to.offset;
    s.i.at[1] = s.decoder.source(from.base, Type::B64);
    s.i.target = static_cast<u32>(from.offset);
    s.i.size = static_cast<u8>(std::atoi(s.x.at(2).c_str()));
    if (s.x.size() > 3) s.from(2, 3, Type::B32);
    if ((past_l1 && s.i.size == 16) || (any && (s.i.size == 4 || s.i.size == 8 || s.i.size == 16)))
      s.i.handler = run_copy_async;
  }
}

}  // namespace

bool decode_matrix(Statement& s) {
  if (s.op == "ldmatrix")
    load_matrices(s);
  else if (s.op == "mma")
    multiply_matrices(s);
  else if (s.op == "cp")
    copy(s);
  else
    return false;
  return true;
}

}  // namespace tessera::ptx
