// batch_norm_running is no slot, so no slot case reaches it: what it makes of a saved mean and rstd must be what
// batch_norm_training makes of the batch itself.
#include "kernels/batch_norm_running.h"

#include <cmath>
#include <vector>

#include "kernels/backends.h"
#include "tests/catch.h"

using namespace tessera::kernels;

namespace {

struct Result {
  std::vector<float> mean, var;
};

// Running statistics after one batch [rows, channels], by the training slot or from what it has saved.
Result running(const BatchNormParams& params, std::int64_t rows, std::int64_t channels, bool from_saved) {
  const auto size = static_cast<std::size_t>(channels);
  std::vector<float> x(static_cast<std::size_t>(rows) * size), y(x.size()), gamma(size, 1), beta(size), mean(size),
      rstd(size);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(std::sin(static_cast<double>(i) * 0.7) * static_cast<double>(1 + i % size) + 3);
  Result result{std::vector<float>(size, 0.25f), std::vector<float>(size, 2.0f)};
  Result unused = result;
  const auto view = [&](std::vector<float>& v) { return View{v.data(), DType::f32, {channels}}; };
  Stream stream(emulated_backend(), 0, {});
  Result& slot = from_saved ? unused : result;
  emulated_backend().batch_norm_training(stream, params, View{x.data(), DType::f32, {rows, channels}}, {}, {}, view(gamma),
                                         view(beta), view(slot.mean), view(slot.var),
                                         View{y.data(), DType::f32, {rows, channels}}, view(mean), view(rstd));
  if (from_saved)
    emulated::batch_norm_running(stream, params, rows, view(mean), view(rstd), view(result.mean), view(result.var));
  return result;
}

}  // namespace

TEST_CASE("running statistics from a saved mean and rstd are those of the training slot") {
  for (bool unbiased : {false, true})
    for (double epsilon : {1e-5, 1e-3})
      for (const auto& [rows, channels] : {std::pair{1, 5}, {2, 300}, {37, 8}, {513, 33}}) {
        const BatchNormParams params{
            .epsilon = epsilon, .momentum = 0.1, .unbiased_variance = unbiased, .activation = Activation::none};
        INFO(rows << " rows, " << channels << " channels, epsilon " << epsilon << (unbiased ? ", unbiased" : ""));
        const Result slot = running(params, rows, channels, false), saved = running(params, rows, channels, true);
        CHECK(saved.mean == slot.mean);
        for (std::size_t i = 0; i < slot.var.size(); ++i) CHECK(saved.var[i] == Approx(slot.var[i]).epsilon(1e-6));
      }
  // The factor M/(M−1) is there only where it is asked for.
  const BatchNormParams biased{.epsilon = 1e-5, .momentum = 0.1, .unbiased_variance = false, .activation = Activation::none};
  BatchNormParams unbiased = biased;
  unbiased.unbiased_variance = true;
  const double before = 0.9 * 2.0;
  CHECK((running(unbiased, 2, 4, true).var[3] - before) ==
        Approx(2 * (running(biased, 2, 4, true).var[3] - before)).epsilon(1e-5));
}
