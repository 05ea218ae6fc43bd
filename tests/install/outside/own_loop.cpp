// A network, floats and a training loop of one's own: learns a parabola.
#include <tessera/tessera.h>

using namespace tessera;

struct Net : Network {
  void visit(Visitor& v) override { v("hidden", hidden), v("out", out); }
  Variable forward(const Context& c, const Variable& x) override { return out(c, silu(hidden(c, x))); }
  Linear hidden{1, 32}, out{32, 1};
};

int main() {
  Model<Net> net(Device::open(), {.seed = 1});
  std::vector<float> points, squares;
  for (float p = -3; points.size() < 60; p += 0.1f) points.push_back(p), squares.push_back(p * p);
  const auto x = net.tensor({60, 1}, points), y = net.tensor({60, 1}, squares);
  AdamW adam(net, {.learning_rate = 1e-2});
  for (int step = 0; step < 500; ++step) {
    const Variable loss = mean(square(net(x) - y));
    backward(loss);
    adam.step();
  }
  return mean(square(net.evaluate(x) - y)).value().to_host<float>()[0] < 0.05f ? 0 : 1;
}
