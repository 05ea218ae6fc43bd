// Which problems the overlay takes: over the shapes of all slot cases, and at the edges.
#include "tests/vendor/problems.h"

#include <memory>

#include "kernels/backends.h"
#include "kernels/vendor/matmul_problem.h"
#include "tests/cases/slot_case.h"
#include "tests/catch.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::kernels::vendor;

namespace {

using Note = std::vector<Conv2dProblem>;
Note& note_of(Stream& stream) { return *static_cast<Note*>(stream.library.get()); }

void note_forward(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView, const Conv2dEpilogue& e, View y) {
  note_of(stream).push_back({.operation = Conv2dOperation::forward,
                             .shape = shape,
                             .type = x.dtype,
                             .result = y.dtype,
                             .scale = static_cast<bool>(e.scale),
                             .shift = static_cast<bool>(e.shift),
                             .residual = static_cast<bool>(e.residual),
                             .activation = e.activation});
}
void note_backward_data(Stream& stream, const Conv2dShape& shape, ConstView dy, ConstView, Gradient dx) {
  note_of(stream).push_back({.operation = Conv2dOperation::backward_data,
                             .shape = shape,
                             .type = dy.dtype,
                             .result = dx.view.dtype,
                             .accumulate = dx.accumulate});
}
void note_backward_weights(Stream& stream, const Conv2dShape& shape, ConstView x, ConstView, Gradient dw) {
  note_of(stream).push_back({.operation = Conv2dOperation::backward_weights,
                             .shape = shape,
                             .type = x.dtype,
                             .result = dw.view.dtype,
                             .accumulate = dw.accumulate});
}

const Conv2dProblem usual{.operation = Conv2dOperation::forward,
                          .shape = {.n = 8,
                                    .h = 16,
                                    .w = 16,
                                    .c = 64,
                                    .k = 64,
                                    .r = 3,
                                    .s = 3,
                                    .p = 16,
                                    .q = 16,
                                    .stride = 1,
                                    .pad_top = 1,
                                    .pad_left = 1},
                          .type = DType::f32,
                          .result = DType::f32};

}  // namespace

std::vector<test::NotedProblem> test::convolutions(DType type) {
  Backend table = reference_backend();
  table.conv2d_forward = note_forward;
  table.conv2d_backward_data = note_backward_data;
  table.conv2d_backward_weights = note_backward_weights;
  Stream stream(table, 0, {});
  const auto note = std::make_shared<Note>();
  stream.library = note;
  std::vector<NotedProblem> all;
  std::set<std::string> keys;
  std::byte somewhere{};  // operands that nobody reads
  for (const cases::SlotCase& c :
       cases::slot_cases("conv2d_forward,conv2d_backward_data,conv2d_backward_weights", cases::Size::bench))
    for (bool accumulate : {false, true}) {
      if (accumulate && !c.has_gradient()) continue;
      std::vector<cases::Operands::Entry> operands;
      for (const cases::Operand& o : c.operands) {
        const bool narrow = o.element == cases::Element::parameter && type == DType::bf16;
        operands.push_back({&o, View{&somewhere, narrow ? DType::f32 : type, o.dims}});
      }
      c.call(stream, cases::Operands(std::move(operands), accumulate));
      if (keys.insert(key_of(note->back())).second) all.push_back({c.name(), note->back()});
    }
  return all;
}

TEST_CASE("the overlay takes every convolution of the slot cases, in float32 and bf16") {
  for (DType type : {DType::f32, DType::bf16}) {
    const std::vector<test::NotedProblem> all = test::convolutions(type);
    CHECK(all.size() > 150);
    for (const test::NotedProblem& c : all) {
      INFO(c.name);
      CHECK(serves(c.problem));
    }
  }
  for (const test::NotedProblem& c : test::convolutions(DType::f64)) {
    INFO(c.name);
    CHECK_FALSE(serves(c.problem));
  }
}

TEST_CASE("what cuDNN cannot be told stays with our kernels") {
  CHECK(serves(usual));
  const auto refused = [](auto&& change) {
    Conv2dProblem p = usual;
    change(p);
    return !serves(p);
  };
  CHECK(refused([](auto& p) { p.shape.n = 0; }));
  CHECK(refused([](auto& p) { p.shape.c = 0; }));
  CHECK(refused([](auto& p) { p.shape.p = 0; }));
  CHECK(refused([](auto& p) { p.shape.pad_top = -1; }));
  CHECK(refused([](auto& p) { p.shape.p = 13; }));  // cut short: its rule gives 15
  CHECK(refused([](auto& p) { p.shape.q = 10; }));
  CHECK(refused([](auto& p) { p.shape.n = std::int64_t{1} << 17; }));  // 2³¹ elements
  CHECK(refused([](auto& p) { p.type = DType::f64; }));
  CHECK(refused([](auto& p) { p.result = DType::bf16; }));
  CHECK(refused([](auto& p) { p.type = p.result = DType::bf16, p.operation = Conv2dOperation::backward_weights; }));
  // A filter larger than the padded input, though the output size looks right.
  CHECK(refused([](auto& p) { p.shape.h = 1, p.shape.r = 7, p.shape.p = 0; }));
  // Asymmetric padding is told as such.
  CHECK_FALSE(refused([](auto& p) { p.shape.pad_top = 0, p.shape.pad_left = 2; }));
  CHECK(padding_behind(16, 3, 16, 1, 1) == 1);
  CHECK(padding_behind(16, 3, 16, 1, 0) == 2);
  CHECK(padding_behind(16, 3, 8, 2, 0) == 1);
  CHECK(padding_behind(8, 1, 4, 2, 0) == 0);  // the last row is read by no window
}

TEST_CASE("whatever changes the plan changes the key and, in general, the hash") {
  std::vector<Conv2dProblem> all{usual};
  const auto add = [&](auto&& change) {
    Conv2dProblem p = usual;
    change(p);
    all.push_back(p);
  };
  for (auto member : {&Conv2dShape::n, &Conv2dShape::h, &Conv2dShape::w, &Conv2dShape::c, &Conv2dShape::k, &Conv2dShape::r,
                      &Conv2dShape::s, &Conv2dShape::p, &Conv2dShape::q, &Conv2dShape::stride, &Conv2dShape::pad_top,
                      &Conv2dShape::pad_left})
    add([&](auto& p) { p.shape.*member += 11; });
  add([](auto& p) { p.operation = Conv2dOperation::backward_data; });
  add([](auto& p) { p.operation = Conv2dOperation::backward_weights; });
  add([](auto& p) { p.type = DType::bf16; });
  add([](auto& p) { p.result = DType::bf16; });
  add([](auto& p) { p.activation = Activation::relu; });
  add([](auto& p) { p.activation = Activation::sigmoid; });
  add([](auto& p) { p.alignment = 4; });
  for (auto flag : {&Conv2dProblem::scale, &Conv2dProblem::shift, &Conv2dProblem::residual, &Conv2dProblem::accumulate,
                    &Conv2dProblem::tf32, &Conv2dProblem::direct})
    add([&](auto& p) { p.*flag = true; });
  std::set<std::string> keys;
  std::set<std::size_t> hashes;
  for (const Conv2dProblem& p : all) {
    keys.insert(key_of(p));
    hashes.insert(Conv2dProblemHash()(p));
    CHECK(key_of(p).find(' ') == std::string::npos);
  }
  CHECK(keys.size() == all.size());
  CHECK(hashes.size() > all.size() - 5);  // not all members go into it
}

TEST_CASE("matrix products: plain ones of one type are cuBLAS's") {
  const MatmulProblem plain{.m = 128,
                            .n = 10,
                            .k = 512,
                            .transpose_a = false,
                            .transpose_b = true,
                            .a = DType::f32,
                            .b = DType::f32,
                            .c = DType::f32,
                            .epilogue = false,
                            .accumulate = false,
                            .tf32 = false};
  CHECK(serves(plain));
  const auto with = [&](auto&& change) {
    MatmulProblem p = plain;
    change(p);
    return p;
  };
  CHECK(serves(with([](auto& p) { p.accumulate = true; })));
  CHECK(serves(with([](auto& p) { p.a = p.b = p.c = DType::bf16; })));
  CHECK(serves(with([](auto& p) { p.a = p.b = DType::bf16; })));
  CHECK_FALSE(serves(with([](auto& p) { p.c = DType::bf16; })));
  CHECK_FALSE(serves(with([](auto& p) { p.a = DType::bf16; })));
  CHECK_FALSE(serves(with([](auto& p) { p.a = p.b = p.c = DType::f64; })));
  CHECK_FALSE(serves(with([](auto& p) { p.epilogue = true; })));
  CHECK_FALSE(serves(with([](auto& p) { p.k = 0; })));
  CHECK_FALSE(serves(with([](auto& p) { p.m = std::int64_t{1} << 31; })));
  std::set<std::string> keys{key_of(plain)};
  for (const MatmulProblem& p :
       {with([](auto& q) { q.m = 1; }), with([](auto& q) { q.n = 1; }), with([](auto& q) { q.k = 1; }),
        with([](auto& q) { q.transpose_a = true; }), with([](auto& q) { q.transpose_b = false; }),
        with([](auto& q) { q.a = DType::bf16; }), with([](auto& q) { q.b = DType::bf16; }),
        with([](auto& q) { q.c = DType::bf16; }), with([](auto& q) { q.epilogue = true; }),
        with([](auto& q) { q.accumulate = true; }), with([](auto& q) { q.tf32 = true; })})
    CHECK(keys.insert(key_of(p)).second);
}
