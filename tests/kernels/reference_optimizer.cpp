// The reference's optimisers against numbers that come from elsewhere: worked by hand, or computed with PyTorch 1.13 in
// float64.
#include <limits>

#include "tests/kernels/on_reference.h"

using namespace tessera;
using namespace tessera::kernels;
using namespace tessera::tests;

namespace {

const double Inf = std::numeric_limits<double>::infinity();
const double NaN = std::numeric_limits<double>::quiet_NaN();

const std::vector<Values> three_gradients{{0.1, -0.2, 3e-5}, {-0.3, 0.05, 1.5}, {0.7, 0.7, -2e-4}};

}  // namespace

TEST_CASE("SGD: PyTorch's numbers after three steps") {
  Stream s(backend(), 0, {});
  const Values expected[] = {{0.4571053895, -1.26836447875, 1.703951479397},
                             {0.4098870619805, -1.31791389924625, 1.57799901615542}};
  for (bool nesterov : {false, true}) {
    Values w{0.5, -1.25, 2}, v(3);
    StepState state{.learning_rate = {0.1}};
    for (const Values& g : three_gradients) {
      backend().sgd_step(s, {.momentum = 0.9, .weight_decay = 0.01, .nesterov = nesterov}, &state, nullptr, view(g, {3}),
                         view(w, {3}), view(v, {3}), {});
      ++state.step;
    }
    check_close(w, expected[nesterov]);
  }
}

TEST_CASE("Adam: PyTorch's numbers after three steps, Keras's form by hand") {
  Stream s(backend(), 0, {});
  Values w{0.5, -1.25, 2}, m(3), v(3);
  StepState state{.learning_rate = {0.01}};
  const AdamParams p{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01, .form = AdamForm::pytorch};
  for (const Values& g : three_gradients) {
    backend().adam_step(s, p, &state, nullptr, view(g, {3}), view(w, {3}), view(m, {3}), view(v, {3}), {});
    ++state.step;
  }
  check_close(w, {0.490422869736918, -1.23956896548608, 1.97656908700819});

  // Decoupled decay (AdamW): the same by a few lines of Python after Loshchilov and Hutter 2019, algorithm 2.
  Values u{0.5, -1.25, 2}, um(3), uv(3);
  StepState at{.learning_rate = {1, 0.01}};
  for (const Values& g : three_gradients) {
    const AdamParams decoupled{.beta1 = 0.9,
                               .beta2 = 0.999,
                               .epsilon = 1e-8,
                               .weight_decay = 0.1,
                               .form = AdamForm::pytorch,
                               .decoupled = true,
                               .group = 1};
    backend().adam_step(s, decoupled, &at, nullptr, view(g, {3}), view(u, {3}), view(um, {3}), view(uv, {3}), {});
    ++at.step;
  }
  check_close(u, {0.4892082451872336, -1.2366878213460262, 1.9708438024981523});

  // First step of the Keras form: lr·√0.001/0.1 · 0.1·g/(√0.001·|g| + ε) = lr·g/(|g| + ε/√0.001).
  const AdamParams keras{.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-3, .weight_decay = 0, .form = AdamForm::keras};
  Values k{0, 0}, km(2), kv(2);
  const Values g{0.1, -1e-4};
  const StepState first{.learning_rate = {0.01}};
  backend().adam_step(s, keras, &first, nullptr, view(g, {2}), view(k, {2}), view(km, {2}), view(kv, {2}), {});
  const double epsilon = 1e-3 / std::sqrt(0.001);
  check_close(k, {-0.01 * 0.1 / (0.1 + epsilon), 0.01 * 1e-4 / (1e-4 + epsilon)});
  check_close(km, {0.01, -1e-5});
}

TEST_CASE("Muon: NumPy's numbers after two steps of a wide and of a tall matrix") {
  Stream s(backend(), 0, {});
  const std::vector<Values> gradients{{0.1, -0.2, 3e-5, -0.3, 0.05, 1.5}, {0.7, 0.7, -2e-4, 0.4, -0.1, 0.2}};
  const Values start{0.5, -1.25, 2, 1, 0.25, -0.75};
  const auto turned = [](const Values& wide) { return Values{wide[0], wide[3], wide[1], wide[4], wide[2], wide[5]}; };
  const Values expected[] = {{0.16249705675416853, -0.6418095332453487, 1.0501376693726598, 0.5052113544465545,
                              0.15039437480211762, -0.5359293473493719},
                             {0.2209898824127236, 0.6220010086820088, -0.7880074419371607, 0.17960185642140716,
                              1.2837970747066714, -0.6233872827100716}};
  for (const bool tall : {false, true}) {
    const StepState state{.learning_rate = {1, 0.1}};
    MuonParams p{.momentum = 0.6, .group = 1, .count = 1};
    p.matrices[0] = {1, tall ? 3 : 2, tall ? 2 : 3};  // from the second element on
    Values w{9}, v(8, 0);
    for (const double x : tall ? turned(start) : start) w.push_back(x);
    w.push_back(9);
    for (const Values& each : gradients) {
      Values g{9};
      for (const double x : tall ? turned(each) : each) g.push_back(x);
      g.push_back(9);
      backend().muon_step(s, p, &state, nullptr, view(g, {8}), view(w, {8}), view(v, {8}), {});
    }
    check_close({w.begin() + 1, w.end() - 1}, expected[tall]);
    CHECK((w.front() == 9 && w.back() == 9 && v.front() == 0 && v.back() == 0));
  }
}

TEST_CASE("the guard: non-finite gradients are found and change nothing") {
  Stream s(backend(), 0, {});
  StepGuard guard{.consecutive = 2, .skipped = 4};
  backend().check_finite(s, view(Values{1, 2, Inf}, {3}), &guard);
  CHECK((guard.skip == 1 && guard.consecutive == 3 && guard.skipped == 5));
  Values w{1, 2}, m{3, 4}, v{5, 6};
  const Values g{1, 1};
  const StepState state{.learning_rate = {1}};
  backend().sgd_step(s, {.momentum = 0.9, .weight_decay = 0, .nesterov = false}, &state, &guard, view(g, {2}), view(w, {2}),
                     view(m, {2}), {});
  backend().adam_step(s, {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1, .weight_decay = 0, .form = AdamForm::keras}, &state,
                      &guard, view(g, {2}), view(w, {2}), view(m, {2}), view(v, {2}), {});
  CHECK(w == Values{1, 2});
  CHECK(m == Values{3, 4});
  CHECK(v == Values{5, 6});
  backend().check_finite(s, view(Values{1, 2, 3}, {3}), &guard);
  CHECK((guard.skip == 0 && guard.consecutive == 0 && guard.skipped == 5));
  backend().check_finite(s, view(Values{NaN}, {1}), &guard);
  CHECK((guard.skip == 1 && guard.consecutive == 1 && guard.skipped == 6));
}

TEST_CASE("Lion after algorithm 2 of Chen et al. 2023, by hand; an average; a clipped gradient") {
  Stream s(backend(), 0, {});
  Values w{0.5, -1.25, 2}, m(3);
  StepState state{.learning_rate = {0, 0.1}};
  const LionParams p{.beta1 = 0.5, .beta2 = 0.75, .weight_decay = 0.2, .group = 1};
  for (const Values& g : {Values{1, -2, 0}, Values{-4, 1, 0}}) {
    backend().lion_step(s, p, &state, nullptr, view(g, {3}), view(w, {3}), view(m, {3}), {});
    ++state.step;
  }
  // First: w·(1 − 0.02) − 0.1·sign(g); m = g/4. Then 0.5·(0.25) + 0.5·(−4) < 0, 0.5·(−0.5) + 0.5 > 0, 0.
  check_close(w, {(0.5 * 0.98 - 0.1) * 0.98 + 0.1, (-1.25 * 0.98 + 0.1) * 0.98 - 0.1, 2 * 0.98 * 0.98});
  check_close(m, {0.75 * 0.25 - 1, 0.75 * -0.5 + 0.25, 0});

  Values mean{5, 6};
  StepState first;
  backend().average_step(s, 0.75, &first, nullptr, view(Values{1, 2}, {2}), view(mean, {2}));
  check_close(mean, {1, 2});
  first.step = 1;
  backend().average_step(s, 0.75, &first, nullptr, view(Values{3, -2}, {2}), view(mean, {2}));
  check_close(mean, {1.5, 1});
  const StepGuard skip{.skip = 1};
  backend().average_step(s, 0.75, &first, &skip, view(Values{3, -2}, {2}), view(mean, {2}));
  check_close(mean, {1.5, 1});

  Values g{3, -4};
  backend().clip_norm(s, 1, view(Values{25}, {}), view(g, {2}));
  check_close(g, {3 / (5 + 1e-6), -4 / (5 + 1e-6)});  // torch.nn.utils.clip_grad_norm_
  backend().clip_norm(s, 10, view(Values{1}, {}), view(g, {2}));
  check_close(g, {3 / (5 + 1e-6), -4 / (5 + 1e-6)});
}
