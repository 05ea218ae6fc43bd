#include "engine/nn/residual.h"

#include "engine/nn/conv_norm.h"

namespace tessera {
namespace {

Conv2d::Options conv_options(const ResidualUnit::Options& unit, std::int64_t stride) {
  return {.stride = stride, .padding = unit.padding, .bias = unit.bias, .init = unit.init};
}

}  // namespace

ResidualUnit::ResidualUnit(std::int64_t in_channels, std::int64_t out_channels, const Options& o)
    : options(o),
      conv1(in_channels, out_channels, 3, conv_options(o, o.stride)),
      norm1(out_channels, o.norm),
      conv2(out_channels, out_channels, 3, conv_options(o, 1)),
      norm2(out_channels, o.norm) {
  if (!o.project) return;
  Conv2d::Options projection = conv_options(o, o.stride);
  projection.padding = Padding::none();
  shortcut_conv = std::make_unique<Conv2d>(in_channels, out_channels, 1, projection);
  if (o.project_norm) shortcut_norm = std::make_unique<BatchNorm>(out_channels, o.norm);
}

void ResidualUnit::visit(Visitor& v) {
  const ResidualNames& names = options.names;
  v(names.conv1, conv1), v(names.norm1, norm1), v(names.conv2, conv2), v(names.norm2, norm2);
  v(names.shortcut_conv, shortcut_conv), v(names.shortcut_norm, shortcut_norm);
}

Variable ResidualUnit::operator()(const Context& context, const Variable& x) const {
  const Variable inner = conv_norm(context, conv1, norm1, x, Activation::relu);
  if (!options.residual) return conv_norm(context, conv2, norm2, inner, options.activation);

  Variable shortcut = x;
  if (shortcut_norm)
    shortcut = conv_norm(context, *shortcut_conv, *shortcut_norm, x);
  else if (shortcut_conv)
    shortcut = (*shortcut_conv)(context, x);
  return conv_norm(context, conv2, norm2, inner, options.activation, shortcut);
}

std::vector<ResidualUnit> residual_stages(const std::array<int, 4>& units, const ResidualUnit::Options& common) {
  std::vector<ResidualUnit> all;
  std::int64_t in = 64, channels = 64;
  for (const int count : units) {
    for (int i = 0; i < count; ++i) {
      ResidualUnit::Options options = common;
      options.project = channels != in;
      options.stride = options.project ? 2 : 1;
      all.emplace_back(in, channels, options);
      in = channels;
    }
    channels *= 2;
  }
  return all;
}

}  // namespace tessera
