// Cases of layer_norm_forward and layer_norm_backward.
#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

Operand parameter(const char* name, Dims dims, Fill fill) { return input(name, dims, std::move(fill), Element::parameter); }

void add_forward(std::vector<SlotCase>& all, Dims x, Size size, double mean) {
  const Dims c{x.last()}, rows{x.count() / x.last()};
  all.push_back(
      {.slot = "layer_norm_forward",
       .variant = extents(x) + (mean > 100 ? " mean 1000" : ""),
       .operands = {input("x", x, normal(mean, 2)), parameter("gamma", c, normal(1, 0.3)), parameter("beta", c, normal()),
                    output("y", x), output("mean", rows, Element::parameter), output("rstd", rows, Element::parameter)},
       .call =
           [](Stream& s, const Operands& o) {
             s.backend.layer_norm_forward(s, 1e-5, o["x"], o["gamma"], o["beta"], o["y"], o["mean"], o["rstd"]);
           },
       .tolerance = mean > 100 ? 5e-5 : 1e-5,  // a float32 near 1000 is known to 3e-5
       .flops = 8.0 * static_cast<double>(x.count()),
       .size = size});
}

void add_backward(std::vector<SlotCase>& all, Dims x, Size size, bool dx, bool parameters) {
  const Dims c{x.last()}, rows{x.count() / x.last()};
  SlotCase one{.slot = "layer_norm_backward",
               .variant = extents(x) + (dx ? " dx" : "") + (parameters ? " dgamma dbeta" : ""),
               .operands = {input("x", x, normal(0.5, 2)), input("dy", x), parameter("gamma", c, normal(1, 0.3)),
                            parameter("mean", rows, normal(0.5, 0.2)), parameter("rstd", rows, uniform(0.4, 0.6))},
               .call =
                   [](Stream& s, const Operands& o) {
                     s.backend.layer_norm_backward(s, o["x"], o["dy"], o["gamma"], o["mean"], o["rstd"],
                                                   o.optional_gradient("dx"), o.optional_gradient("dgamma"),
                                                   o.optional_gradient("dbeta"));
                   },
               .tolerance = 1e-5,
               .flops = 15.0 * static_cast<double>(x.count()),
               .size = size};
  if (dx) one.operands.push_back(gradient("dx", x));
  if (parameters) one.operands.push_back(gradient("dgamma", c, Element::parameter));
  if (parameters) one.operands.push_back(gradient("dbeta", c, Element::parameter));
  all.push_back(std::move(one));
}

}  // namespace

void add_layer_norm_cases(std::vector<SlotCase>& all) {
  for (const Dims& x :
       {Dims{1, 2}, Dims{3, 5}, Dims{33, 31}, Dims{9, 65}, Dims{2, 3, 5, 16}, Dims{257, 8}, Dims{17, 257}, Dims{2085, 24}}) {
    add_forward(all, x, Size::quick, 0.5);
    add_backward(all, x, Size::quick, true, true);
  }
  add_forward(all, {9, 65}, Size::quick, 1000);
  add_backward(all, {9, 65}, Size::quick, true, false);
  add_backward(all, {9, 65}, Size::quick, false, true);
  for (const Dims& x : {Dims{2048, 384}, Dims{128, 8, 8, 64}}) {
    add_forward(all, x, Size::medium, 0.5);
    add_backward(all, x, Size::medium, true, true);
  }
}

}  // namespace tessera::cases
