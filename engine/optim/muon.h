// Muon (Jordan 2024, "Muon: an optimizer for hidden layers"): each matrix of weights moves along its momentum, made nearly
// orthogonal by three rounds of Newton–Schulz's iteration, and is first brought to a norm of √rows. It is for filters that
// batch norm follows, whose scale does not matter.
//
//   v ← momentum·v + g;  u = g + momentum·v;  w ← w·√rows/‖w‖ − lr·orthogonal(u/‖u‖)        kernels/params.h: MuonParams
//
// A parameter [K, …] is a matrix of K rows. It has no weight decay.
#pragma once

#include "engine/optim/optimizer.h"

namespace tessera {

class Muon : public Optimizer {
 public:
  struct Options {
    static constexpr const char* kind = "muon";
    using Rule = Muon;
    double learning_rate = 0.24;
    double momentum = 0.6;
    template <class F>
    void fields(F& f) {
      f("learning_rate", learning_rate, {.help = "Learning rate", .least = 0});
      f("momentum", momentum, {.help = "Nesterov's: share of the velocity that is kept", .least = 0, .most = 1});
    }
  };
  Muon(ParameterStore& parameters, const Options& options);
  explicit Muon(ParameterStore& parameters) : Muon(parameters, Options()) {}
  // UsageError where one of its parameters has one axis only: it is no matrix.
  void update(const kernels::StepState* state, const kernels::StepGuard* guard) override;

 private:
  double momentum_;
};

}  // namespace tessera
