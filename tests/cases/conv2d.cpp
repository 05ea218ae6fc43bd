// Cases of conv2d_forward, conv2d_backward_data and conv2d_backward_weights: each shape drives all three; conv2d_backward has
// those that it is made for.
#include "tests/cases/slot_case.h"

namespace tessera::cases {
namespace {

using namespace kernels;

// Output size from the padding on both sides.
Conv2dShape shape(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t k, std::int64_t r,
                  std::int64_t stride, std::int64_t before, std::int64_t after) {
  return {.n = n,
          .h = h,
          .w = w,
          .c = c,
          .k = k,
          .r = r,
          .s = r,
          .p = (h + before + after - r) / stride + 1,
          .q = (w + before + after - r) / stride + 1,
          .stride = stride,
          .pad_top = before,
          .pad_left = before};
}

std::string text(const Conv2dShape& d) {
  const auto number = [](std::int64_t v) { return std::to_string(v); };
  std::string t = number(d.r) + "x" + number(d.s) + " s" + number(d.stride) + " c" + number(d.c) + " k" + number(d.k) + " " +
                  number(d.h) + "x" + number(d.w) + " to " + number(d.p) + "x" + number(d.q) + " n" + number(d.n);
  if (d.groups != 1) t += " groups" + number(d.groups);
  if (d.pad_top != 0 || d.pad_left != 0) t += " pad" + number(d.pad_top) + number(d.pad_left);
  return t;
}

struct Epilogue {
  bool shift = false, scale = false, residual = false;
  Activation activation = Activation::none;
};

void add_forward(std::vector<SlotCase>& all, const Conv2dShape& d, Size size, const Epilogue& e) {
  const Activation f = e.activation;
  SlotCase c{.slot = "conv2d_forward",
             .variant = text(d) + (e.scale ? " scale" : "") + (e.shift ? " shift" : "") + (e.residual ? " residual" : "") +
                        (f == Activation::none ? "" : std::string(" ") + name_of(f)),
             .operands = {input("x", {d.n, d.h, d.w, d.c}), input("w", {d.k, d.r, d.s, d.c / d.groups}),
                          output("y", {d.n, d.p, d.q, d.k})},
             .call =
                 [d, f](Stream& s, const Operands& o) {
                   s.backend.conv2d_forward(s, d, o["x"], o["w"],
                                            {.scale = o.optional("scale"),
                                             .shift = o.optional("shift"),
                                             .residual = o.optional("residual"),
                                             .activation = f},
                                            o["y"]);
                 },
             .tolerance = 1e-5,
             .flops = 2.0 * static_cast<double>(d.n * d.p * d.q * d.k) * static_cast<double>(d.r * d.s * d.c / d.groups),
             .size = size};
  if (e.scale) c.operands.push_back(input("scale", {d.k}, normal(1, 0.3), Element::parameter));
  if (e.shift) c.operands.push_back(input("shift", {d.k}, normal(), Element::parameter));
  if (e.residual) c.operands.push_back(input("residual", {d.n, d.p, d.q, d.k}));
  all.push_back(std::move(c));
}

void add_statistics(std::vector<SlotCase>& all, const Conv2dShape& d, Size size, bool bias) {
  const std::int64_t slices = (d.n * d.p * d.q + statistics_rows - 1) / statistics_rows;
  SlotCase c{.slot = "conv2d_forward_statistics",
             .variant = text(d) + (bias ? " bias" : ""),
             .operands = {input("x", {d.n, d.h, d.w, d.c}), input("w", {d.k, d.r, d.s, d.c / d.groups}),
                          output("y", {d.n, d.p, d.q, d.k}), output("statistics", {slices, 2, d.k}, Element::parameter)},
             .call =
                 [d](Stream& s, const Operands& o) {
                   s.backend.conv2d_forward_statistics(s, d, o["x"], o["w"], o.optional("bias"), o["y"], o["statistics"]);
                 },
             .tolerance = 1e-5,
             .bf16_tolerance = 4e-3,  // the slices' sums are of rounded values
             .flops = 2.0 * static_cast<double>(d.n * d.p * d.q * d.k) * static_cast<double>(d.r * d.s * d.c / d.groups),
             .size = size};
  if (bias) c.operands.push_back(input("bias", {d.k}, normal(), Element::parameter));
  all.push_back(std::move(c));
}

void add_backward_data(std::vector<SlotCase>& all, const Conv2dShape& d, Size size) {
  all.push_back({.slot = "conv2d_backward_data",
                 .variant = text(d),
                 .operands = {input("dy", {d.n, d.p, d.q, d.k}), input("w", {d.k, d.r, d.s, d.c / d.groups}),
                              gradient("dx", {d.n, d.h, d.w, d.c})},
                 .call = [d](Stream& s,
                             const Operands& o) { s.backend.conv2d_backward_data(s, d, o["dy"], o["w"], o.gradient("dx")); },
                 .tolerance = 1e-5,
                 .flops = 2.0 * static_cast<double>(d.n * d.p * d.q * d.k) * static_cast<double>(d.r * d.s * d.c / d.groups),
                 .size = size});
}

void add_backward_weights(std::vector<SlotCase>& all, const Conv2dShape& d, Size size) {
  all.push_back(
      {.slot = "conv2d_backward_weights",
       .variant = text(d),
       .operands = {input("x", {d.n, d.h, d.w, d.c}), input("dy", {d.n, d.p, d.q, d.k}),
                    gradient("dw", {d.k, d.r, d.s, d.c / d.groups}, Element::parameter)},
       .call = [d](Stream& s,
                   const Operands& o) { s.backend.conv2d_backward_weights(s, d, o["x"], o["dy"], o.gradient("dw")); },
       .tolerance = 1e-5,
       .flops = 2.0 * static_cast<double>(d.n * d.p * d.q * d.k) * static_cast<double>(d.r * d.s * d.c / d.groups),
       .size = size});
}

// All gradients at once, or those of the pattern: x, w, b.
void add_backward(std::vector<SlotCase>& all, const Conv2dShape& d, Size size, Activation f,
                  const std::string& wanted = "xwb") {
  const auto wants = [&](char which) { return wanted.find(which) != std::string::npos; };
  const Dims x{d.n, d.h, d.w, d.c}, w{d.k, d.r, d.s, d.c}, y{d.n, d.p, d.q, d.k};
  SlotCase c{.slot = "conv2d_backward",
             .variant = text(d) + " d" + wanted + (f == Activation::none ? "" : std::string(" ") + name_of(f)),
             .operands = {input("dy", y)},
             .call =
                 [d, f](Stream& s, const Operands& o) {
                   s.backend.conv2d_backward(s, d, f, o.optional("x"), o.optional("w"), o.optional("y"), o["dy"],
                                             o.optional_gradient("dx"), o.optional_gradient("dw"),
                                             o.optional_gradient("db"));
                 },
             .tolerance = 1e-5,
             .flops = 2.0 * (wants('x') + wants('w')) * static_cast<double>(y.count() * d.r * d.s * d.c),
             .size = size};
  if (f != Activation::none) c.operands.push_back(input("y", y, uniform(-0.5, 1)));
  if (wants('x')) c.operands.push_back(input("w", w)), c.operands.push_back(gradient("dx", x));
  if (wants('w')) c.operands.push_back(input("x", x)), c.operands.push_back(gradient("dw", w, Element::parameter));
  if (wants('b')) c.operands.push_back(gradient("db", {d.k}, Element::parameter));
  all.push_back(std::move(c));
}

struct Listed {
  Conv2dShape shape;
  Size size;
};

std::vector<Listed> shapes() {
  using enum Size;
  return {
      // 3x3 stride 1, padding 1: channels around vector widths and tiles, odd images, ragged rows of outputs.
      {shape(1, 1, 1, 1, 1, 3, 1, 1, 1), quick},
      {shape(2, 5, 7, 1, 3, 3, 1, 1, 1), quick},
      {shape(2, 6, 6, 3, 5, 3, 1, 1, 1), quick},
      {shape(1, 8, 8, 5, 6, 3, 1, 1, 1), quick},
      {shape(1, 7, 9, 16, 16, 3, 1, 1, 1), quick},
      {shape(1, 4, 4, 32, 33, 3, 1, 1, 1), quick},
      {shape(3, 3, 3, 33, 32, 3, 1, 1, 1), quick},
      {shape(1, 5, 5, 64, 65, 3, 1, 1, 1), quick},
      {shape(2, 2, 2, 63, 64, 3, 1, 1, 1), quick},
      {shape(1, 13, 11, 3, 64, 3, 1, 1, 1), quick},
      {shape(3, 32, 32, 16, 16, 3, 1, 1, 1), medium},
      {shape(2, 17, 15, 64, 64, 3, 1, 1, 1), medium},
      {shape(5, 8, 8, 128, 128, 3, 1, 1, 1), medium},
      {shape(3, 4, 4, 256, 256, 3, 1, 1, 1), medium},
      {shape(2, 4, 4, 512, 130, 3, 1, 1, 1), medium},
      {shape(2, 9, 9, 40, 24, 3, 1, 1, 1), medium},
      // 3x3 stride 1, no padding and padding 2.
      {shape(2, 6, 7, 6, 16, 3, 1, 0, 0), quick},
      {shape(1, 4, 5, 3, 4, 3, 1, 2, 2), quick},
      // 3x3 stride 2: padding 0 before and 1 after (Keras "same"), and symmetric.
      {shape(2, 8, 8, 3, 16, 3, 2, 0, 1), quick},
      {shape(1, 6, 10, 16, 33, 3, 2, 0, 1), quick},
      {shape(1, 7, 7, 6, 5, 3, 2, 1, 1), quick},
      {shape(2, 8, 6, 32, 31, 3, 2, 1, 1), quick},
      {shape(3, 16, 16, 64, 128, 3, 2, 0, 1), medium},
      {shape(3, 16, 16, 64, 128, 3, 2, 1, 1), medium},
      // 1x1; with stride 2, three quarters of the input are read by no window.
      {shape(2, 5, 5, 3, 6, 1, 1, 0, 0), quick},
      {shape(1, 7, 5, 33, 65, 1, 1, 0, 0), quick},
      {shape(2, 8, 8, 16, 32, 1, 2, 0, 0), quick},
      {shape(2, 7, 5, 6, 5, 1, 2, 0, 0), quick},
      {shape(3, 16, 16, 64, 128, 1, 2, 0, 0), medium},
      {shape(2, 16, 16, 64, 256, 1, 1, 0, 0), medium},
      // 5x5: LeNet's valid ones and "same".
      {shape(2, 12, 12, 3, 6, 5, 1, 0, 0), quick},
      {shape(2, 9, 11, 6, 16, 5, 1, 0, 0), quick},
      {shape(2, 5, 5, 16, 33, 5, 1, 0, 0), quick},  // one output per image
      {shape(1, 7, 6, 3, 5, 5, 1, 2, 2), quick},
      {shape(7, 32, 32, 3, 6, 5, 1, 0, 0), medium},
      {shape(7, 14, 14, 6, 16, 5, 1, 0, 0), medium},
      // 7x7 stride 2 padding 3 (ImageNet stem), 2x2, and 4x4 stride 4.
      {shape(1, 14, 15, 3, 8, 7, 2, 3, 3), quick},
      {shape(1, 56, 56, 3, 64, 7, 2, 3, 3), medium},
      {shape(2, 5, 4, 5, 6, 2, 1, 0, 1), quick},
      {shape(1, 9, 8, 3, 16, 4, 4, 0, 0), quick},
      // Filters that reach into the padding with some of their rows or columns in every output.
      {shape(3, 1, 1, 16, 33, 3, 1, 1, 1), quick},
      {shape(2, 1, 1, 5, 6, 5, 2, 2, 2), quick},
      {shape(3, 2, 2, 16, 32, 3, 2, 0, 1), quick},
      {shape(2, 2, 1, 33, 16, 3, 1, 1, 1), quick},
      {shape(2, 1, 3, 6, 16, 3, 1, 1, 1), quick},
      {shape(1, 2, 3, 3, 8, 7, 2, 3, 3), quick},
      {shape(2, 2, 2, 16, 16, 5, 3, 2, 2), quick},
      {shape(2, 1, 2, 256, 264, 3, 1, 1, 1), medium},
      // Different heights and widths of filters, different paddings on both axes.
      {{.n = 2, .h = 6, .w = 9, .c = 3, .k = 5, .r = 1, .s = 3, .p = 6, .q = 9, .stride = 1, .pad_top = 0, .pad_left = 1},
       quick},
      {{.n = 2, .h = 6, .w = 9, .c = 5, .k = 3, .r = 3, .s = 2, .p = 3, .q = 5, .stride = 2, .pad_top = 1, .pad_left = 0},
       quick},
      // Around the GPU's tiles: channels copied whole on both sides, more than one tile of pixels, of channels, and of
      // filter
      // cells; sums long enough to be split among blocks.
      {shape(1, 3, 3, 72, 80, 3, 1, 1, 1), quick},
      {shape(1, 12, 11, 16, 72, 1, 1, 0, 0), quick},
      {shape(1, 3, 2, 8, 136, 1, 1, 0, 0), quick},
      {shape(1, 5, 3, 24, 16, 3, 2, 1, 1), quick},
      {shape(1, 2, 2, 128, 128, 3, 1, 1, 1), quick},
      {shape(1, 33, 33, 8, 8, 1, 1, 0, 0), quick},
      {shape(1, 3, 3, 8, 256, 1, 1, 0, 0), quick},
      {shape(1, 20, 13, 4, 4, 1, 1, 0, 0), quick},
      {shape(1, 12, 11, 72, 16, 1, 1, 0, 0), quick},
      // Sums that are split into a few shares.
      {shape(1, 4, 4, 32, 32, 3, 1, 1, 1), quick},
      {shape(1, 20, 20, 8, 8, 1, 1, 0, 0), quick},
      {shape(1, 9, 7, 256, 64, 3, 2, 1, 1), medium},
      {shape(1, 8, 7, 64, 264, 3, 2, 1, 1), medium},
      {shape(9, 16, 15, 64, 128, 3, 1, 1, 1), medium},
      // ResNet-18 for 32x32 images at batch 32, then LeNet-5 at batch 128.
      {shape(32, 32, 32, 3, 64, 3, 1, 1, 1), bench},
      {shape(32, 32, 32, 64, 64, 3, 1, 1, 1), bench},
      {shape(32, 32, 32, 64, 128, 3, 2, 1, 1), bench},
      {shape(32, 32, 32, 64, 128, 1, 2, 0, 0), bench},
      {shape(32, 16, 16, 128, 128, 3, 1, 1, 1), bench},
      {shape(32, 16, 16, 128, 256, 3, 2, 1, 1), bench},
      {shape(32, 16, 16, 128, 256, 1, 2, 0, 0), bench},
      {shape(32, 8, 8, 256, 256, 3, 1, 1, 1), bench},
      {shape(32, 8, 8, 256, 512, 3, 2, 1, 1), bench},
      {shape(32, 8, 8, 256, 512, 1, 2, 0, 0), bench},
      {shape(32, 4, 4, 512, 512, 3, 1, 1, 1), bench},
      {shape(128, 32, 32, 3, 6, 5, 1, 0, 0), bench},
      {shape(128, 14, 14, 6, 16, 5, 1, 0, 0), bench},
  };
}

Conv2dShape grouped(Conv2dShape d, std::int64_t groups) {
  d.groups = groups;
  return d;
}

// Depthwise with one filter a channel and with several, groups of several channels, all around vectors, warps and slices.
std::vector<Listed> grouped_shapes() {
  using enum Size;
  return {
      {grouped(shape(2, 5, 7, 2, 2, 3, 1, 1, 1), 2), quick},
      {grouped(shape(2, 7, 6, 33, 33, 3, 1, 1, 1), 33), quick},
      {grouped(shape(1, 9, 8, 65, 65, 3, 2, 1, 1), 65), quick},
      {grouped(shape(2, 8, 8, 16, 16, 5, 1, 2, 2), 16), quick},
      {grouped(shape(1, 6, 5, 6, 18, 3, 1, 1, 1), 6), quick},
      {grouped(shape(2, 6, 7, 12, 8, 3, 1, 1, 1), 4), quick},
      {grouped(shape(1, 8, 8, 10, 6, 3, 2, 0, 1), 2), quick},
      {grouped(shape(3, 4, 5, 8, 12, 1, 2, 0, 0), 4), quick},
      {grouped(shape(1, 25, 24, 8, 8, 3, 1, 1, 1), 8), quick},
      {grouped(shape(5, 16, 16, 96, 96, 3, 1, 1, 1), 96), medium},
      {grouped(shape(3, 16, 16, 64, 64, 3, 2, 1, 1), 8), medium},
      {grouped(shape(32, 32, 32, 96, 96, 3, 1, 1, 1), 96), bench},
      {grouped(shape(32, 16, 16, 192, 192, 3, 2, 1, 1), 192), bench},
  };
}

}  // namespace

void add_conv2d_cases(std::vector<SlotCase>& all) {
  std::vector<Listed> list = shapes();
  for (const Listed& l : grouped_shapes()) list.push_back(l);
  for (const Listed& l : list) add_forward(all, l.shape, l.size, {});
  for (const Conv2dShape& d : {shape(2, 6, 6, 3, 5, 3, 1, 1, 1), shape(1, 5, 5, 33, 65, 3, 1, 1, 1),
                               shape(2, 12, 12, 3, 6, 5, 1, 0, 0), shape(2, 8, 8, 16, 32, 1, 2, 0, 0)}) {
    add_forward(all, d, Size::quick, {.shift = true});
    add_forward(all, d, Size::quick, {.shift = true, .activation = Activation::relu});
    add_forward(all, d, Size::quick, {.shift = true, .activation = Activation::sigmoid});
    add_forward(all, d, Size::quick, {.activation = Activation::relu});
    add_forward(all, d, Size::quick, {.shift = true, .scale = true});
    add_forward(all, d, Size::quick, {.shift = true, .scale = true, .residual = true, .activation = Activation::relu});
    add_forward(all, d, Size::quick, {.residual = true});
    add_statistics(all, d, Size::quick, false);
    add_statistics(all, d, Size::quick, true);
  }
  for (const Conv2dShape& d :
       {grouped(shape(2, 7, 6, 33, 33, 3, 1, 1, 1), 33), grouped(shape(2, 6, 7, 12, 8, 3, 1, 1, 1), 4)}) {
    add_forward(all, d, Size::quick, {.shift = true, .scale = true, .residual = true, .activation = Activation::relu});
    add_forward(all, d, Size::quick, {.shift = true, .activation = Activation::sigmoid});
  }
  // Slices of the statistics: a second one that is not full, more than one tile of channels, sums split among blocks.
  for (const Conv2dShape& d : {shape(1, 13, 11, 3, 64, 3, 1, 1, 1), shape(1, 12, 11, 16, 72, 1, 1, 0, 0),
                               shape(3, 10, 9, 8, 6, 1, 1, 0, 0), shape(1, 2, 2, 128, 128, 3, 1, 1, 1)})
    add_statistics(all, d, Size::quick, true);
  add_forward(all, shape(1, 2, 2, 128, 128, 3, 1, 1, 1), Size::quick,
              {.shift = true, .scale = true, .residual = true, .activation = Activation::relu});
  add_forward(all, shape(1, 12, 11, 16, 72, 1, 1, 0, 0), Size::quick,
              {.shift = true, .scale = true, .residual = true, .activation = Activation::relu});
  const Conv2dShape large = shape(5, 8, 8, 64, 64, 3, 1, 1, 1);
  add_forward(all, large, Size::medium, {.shift = true, .activation = Activation::relu});
  add_forward(all, large, Size::medium, {.shift = true, .scale = true, .residual = true, .activation = Activation::relu});
  const Conv2dShape deep = shape(3, 4, 4, 256, 256, 3, 1, 1, 1);  // few tiles, many channels
  add_forward(all, deep, Size::medium, {.shift = true, .scale = true, .residual = true, .activation = Activation::relu});
  add_statistics(all, large, Size::medium, false);
  for (const Listed& l : list) add_backward_data(all, l.shape, l.size);
  for (const Listed& l : list) add_backward_weights(all, l.shape, l.size);
  for (const Listed& l : list)
    if (few_channels(l.shape)) add_backward(all, l.shape, l.size, Activation::none);
  for (const Activation f : {Activation::relu, Activation::sigmoid})
    for (const char* wanted : {"xwb", "wb", "x", "b"})
      add_backward(all, shape(2, 9, 11, 6, 16, 5, 1, 0, 0), Size::quick, f, wanted);
  for (const char* wanted : {"xwb", "wb", "b"})  // pixels shared out among blocks
    add_backward(all, shape(1, 71, 69, 1, 2, 1, 1, 0, 0), Size::quick, Activation::relu, wanted);
  for (const std::int64_t columns : {4096, 4097})  // among none, and among the fewest
    add_backward(all, shape(1, 1, columns, 1, 2, 1, 1, 0, 0), Size::quick, Activation::relu, "wb");
  // Among more than fill the device.
  add_backward(all, shape(1, 725, 725, 1, 2, 1, 1, 0, 0), Size::medium, Activation::relu, "wb");
}

}  // namespace tessera::cases
