// A network of one's own, trained by the ready loop.
#include <tessera/tessera.h>

using namespace tessera;

struct Net : Network {
  void visit(Visitor& v) override { v("conv", conv), v("pool", pool), v("out", out); }
  Variable forward(const Context& c, const Variable& x) override { return out(c, flatten(pool(c, conv(c, x)))); }
  Conv2d conv{3, 16, 5, {.activation = Activation::relu}};
  MaxPool pool;
  Linear out{16 * 14 * 14, 10};
};

int main() {
  Model<Net> net(Device::open(), {.seed = 1});
  const auto history = train(net, open_dataset("synthetic"), {.epochs = 3, .optimizer = AdamW::Options{}});
  return history.back().train.loss < history.front().train.loss && history.back().validation->accuracy > 0.2 ? 0 : 1;
}
