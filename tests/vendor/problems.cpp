// Which problems the overlay takes: over the shapes of all slot cases, and at the edges.
#include "tests/vendor/problems.h"

#include <set>

#include "kernels/vendor/batch_norm_problem.h"
#include "kernels/vendor/matmul_problem.h"
#include "kernels/vendor/max_pool_problem.h"
#include "tests/catch.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::kernels::vendor;

namespace {

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

TEST_CASE("the overlay takes every convolution of the slot cases but groups, and sums of filter gradients from bf16") {
  for (DType type : {DType::f32, DType::bf16}) {
    const std::vector<test::NotedProblem> all = test::convolutions(type);
    CHECK(all.size() > 150);
    for (const test::NotedProblem& c : all) {
      INFO(c.name);
      CHECK(serves(c.problem) == (c.problem.shape.groups == 1 && !(widens(c.problem) && c.problem.accumulate)));
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
  CHECK(refused([](auto& p) { p.shape.groups = 2; }));
  CHECK(refused([](auto& p) { p.shape.p = 0; }));
  CHECK(refused([](auto& p) { p.shape.pad_top = -1; }));
  CHECK(refused([](auto& p) { p.shape.p = 13; }));  // cut short: its rule gives 15
  CHECK(refused([](auto& p) { p.shape.q = 10; }));
  CHECK(refused([](auto& p) { p.shape.n = std::int64_t{1} << 17; }));  // 2³¹ elements
  CHECK(refused([](auto& p) { p.type = DType::f64; }));
  CHECK(refused([](auto& p) { p.result = DType::bf16; }));
  CHECK(refused([](auto& p) { p.type = p.result = DType::bf16, p.operation = Conv2dOperation::backward_weights; }));
  CHECK_FALSE(refused([](auto& p) { p.type = DType::bf16, p.operation = Conv2dOperation::backward_weights; }));
  CHECK(
      refused([](auto& p) { p.type = DType::bf16, p.operation = Conv2dOperation::backward_weights, p.accumulate = true; }));
  // A filter larger than the padded input, though the output size looks right.
  CHECK(refused([](auto& p) { p.shape.h = 1, p.shape.r = 7, p.shape.p = 0; }));
  // Asymmetric padding is told as such.
  CHECK_FALSE(refused([](auto& p) { p.shape.pad_top = 0, p.shape.pad_left = 2; }));
  CHECK(padding_behind(16, 3, 16, 1, 1) == 1);
  CHECK(padding_behind(16, 3, 16, 1, 0) == 2);
  CHECK(padding_behind(16, 3, 8, 2, 0) == 1);
  CHECK(padding_behind(8, 1, 4, 2, 0) == 0);  // the last row is read by no window
}

TEST_CASE("whatever changes the plan of a convolution changes its key") {
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
  for (const Conv2dProblem& p : all) {
    keys.insert(key_of(p));
    CHECK(key_of(p).find(' ') == std::string::npos);
  }
  CHECK(keys.size() == all.size());
}

TEST_CASE("batch norms: what cuDNN has engines for") {
  using Operation = BatchNormOperation;
  const BatchNormProblem plain{.operation = Operation::forward, .x = {8, 16, 16, 64}, .type = DType::f32};
  CHECK(serves(plain));
  std::set<std::string> keys{key_of(plain)};
  const auto served = [&](auto&& change) {
    BatchNormProblem p = plain;
    change(p);
    CHECK(keys.insert(key_of(p)).second);
    CHECK(key_of(p).find(' ') == std::string::npos);
    return serves(p);
  };
  CHECK(served([](auto& p) { p.relu = true; }));
  CHECK(served([](auto& p) { p.relu = p.residual = true; }));
  CHECK_FALSE(served([](auto& p) { p.residual = true; }));
  CHECK(served([](auto& p) { p.operation = Operation::backward; }));
  CHECK_FALSE(served([](auto& p) { p.operation = Operation::backward, p.relu = true; }));
  CHECK(served([](auto& p) { p.type = DType::bf16; }));
  CHECK_FALSE(served([](auto& p) { p.type = DType::f64; }));
  CHECK_FALSE(served([](auto& p) { p.alignment = 8; }));
  CHECK(served([](auto& p) { p.x.c = 4; }));
  CHECK_FALSE(served([](auto& p) { p.x.c = 4, p.type = DType::bf16; }));
  CHECK_FALSE(served([](auto& p) { p.x.c = 6; }));
  CHECK_FALSE(served([](auto& p) { p.x = {1, 1, 1, 64}; }));  // a variance of one row
  CHECK_FALSE(served([](auto& p) { p.x.n = std::int64_t{1} << 17; }));
  CHECK(served([](auto& p) { p.x.h = 1; }));
  CHECK(served([](auto& p) { p.x.w = 1; }));
  // Rows of a matrix are a batch of single cells.
  const Extents rows = batch_extents({128, 64}), image = batch_extents({2, 3, 5, 64});
  CHECK((rows.n == 128 && rows.h == 1 && rows.w == 1 && rows.c == 64));
  CHECK((image.n == 2 && image.h == 3 && image.w == 5 && image.c == 64));
}

TEST_CASE("max pooling: what cuDNN can be told") {
  using Operation = MaxPoolOperation;
  const MaxPoolProblem plain{
      .operation = Operation::forward,
      .shape = {.n = 8, .h = 13, .w = 13, .c = 6, .r = 3, .s = 3, .p = 6, .q = 6, .stride = 2, .pad_top = 0, .pad_left = 0},
      .type = DType::f32};
  CHECK(serves(plain));
  std::set<std::string> keys{key_of(plain)};
  const auto served = [&](auto&& change) {
    MaxPoolProblem p = plain;
    change(p);
    CHECK(keys.insert(key_of(p)).second);
    CHECK(key_of(p).find(' ') == std::string::npos);
    return serves(p);
  };
  CHECK(served([](auto& p) { p.operation = Operation::forward_with_index; }));
  CHECK(served([](auto& p) { p.operation = Operation::backward; }));
  CHECK(served([](auto& p) { p.type = DType::bf16; }));
  CHECK(served([](auto& p) { p.alignment = 4; }));
  CHECK_FALSE(served([](auto& p) { p.type = DType::f64; }));
  CHECK_FALSE(served([](auto& p) { p.shape.n = 0; }));
  CHECK_FALSE(served([](auto& p) { p.shape.c = std::int64_t{1} << 28; }));
  CHECK_FALSE(served([](auto& p) { p.shape.p = 5; }));  // cut short
  CHECK(served([](auto& p) { p.shape.p = p.shape.q = 7, p.shape.pad_top = p.shape.pad_left = 1; }));
  CHECK(served([](auto& p) { p.shape.q = 7; }));                             // padding behind only
  CHECK_FALSE(served([](auto& p) { p.shape.pad_top = 3, p.shape.p = 8; }));  // a window in the padding
  CHECK_FALSE(served([](auto& p) { p.shape.r = 13, p.shape.s = 13, p.shape.p = p.shape.q = 1; }));  // 169 cells
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
