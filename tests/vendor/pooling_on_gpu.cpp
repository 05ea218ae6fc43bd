// cuDNN's max pooling on a GPU, where there is one. The slot cases do not reach it: it pools only where the library alone is
// asked for (Search::library), and its index is its own, so forward and backward are tested as the pair they are.
#include <iostream>

#include "kernels/backends.h"
#include "tests/catch.h"

using namespace tessera::kernels;

namespace {

// Float32 values in the memory of a stream's device.
class OnDevice {
 public:
  OnDevice(Stream& stream, Dims dims, DType type = DType::f32) : stream_(stream) {
    view_ = {stream.backend.runtime.allocate(stream.device, static_cast<std::size_t>(dims.count()) * size_of(type)), type,
             dims};
  }
  OnDevice(Stream& stream, Dims dims, const std::vector<float>& values) : OnDevice(stream, dims) {
    runtime().copy(stream.native, view_.data, values.data(), values.size() * sizeof(float), Copy::host_to_device);
    runtime().synchronize(stream.native);
  }
  ~OnDevice() { runtime().release(stream_.device, view_.data); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  const View& view() const { return view_; }
  std::vector<float> values() const {
    std::vector<float> host(static_cast<std::size_t>(view_.count()));
    runtime().copy(stream_.native, host.data(), view_.data, host.size() * sizeof(float), Copy::device_to_host);
    runtime().synchronize(stream_.native);
    return host;
  }

 private:
  const Runtime& runtime() const { return stream_.backend.runtime; }

  Stream& stream_;
  View view_;
};

struct Pooled {
  std::vector<float> y, dx;
};

// Distinct values in x, so that every window has one winner; whole numbers in dy, so that every order of sums is exact.
Pooled pooled(const Backend& backend, const Pool2dShape& d, bool accumulate) {
  Stream stream(backend, 0, {.search = Search::library});
  const Dims in{d.n, d.h, d.w, d.c}, out{d.n, d.p, d.q, d.c};
  const auto filled = [](const Dims& dims, std::int64_t modulus) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < dims.count(); ++i) values.push_back(static_cast<float>(i * 7919 % modulus - modulus / 2));
    return values;
  };
  const OnDevice x(stream, in, filled(in, 1'000'003)), dy(stream, out, filled(out, 17)), dx(stream, in, filled(in, 5));
  const OnDevice y(stream, out), index(stream, out, DType::u8);
  backend.max_pool_forward(stream, d, x.view(), y.view(), index.view());
  backend.max_pool_backward(stream, d, dy.view(), index.view(), {dx.view(), accumulate});
  return {y.values(), dx.values()};
}

}  // namespace

TEST_CASE("cuDNN's max pooling and its gradient are those of the reference") {
  std::string why;
  if (vendor_backend().runtime.device_count(&why) == 0) {
    std::cout << "skipped: " << why << "\n";
    return;
  }
  for (const Pool2dShape& shape :
       {Pool2dShape{
            .n = 4, .h = 28, .w = 28, .c = 6, .r = 2, .s = 2, .p = 14, .q = 14, .stride = 2, .pad_top = 0, .pad_left = 0},
        Pool2dShape{
            .n = 2, .h = 13, .w = 13, .c = 32, .r = 3, .s = 3, .p = 6, .q = 6, .stride = 2, .pad_top = 0, .pad_left = 0},
        Pool2dShape{
            .n = 2, .h = 16, .w = 16, .c = 8, .r = 3, .s = 3, .p = 8, .q = 8, .stride = 2, .pad_top = 0, .pad_left = 0},
        Pool2dShape{
            .n = 2, .h = 16, .w = 16, .c = 64, .r = 3, .s = 3, .p = 8, .q = 8, .stride = 2, .pad_top = 1, .pad_left = 1}})
    for (bool accumulate : {false, true}) {
      INFO(shape.h << "×" << shape.w << "×" << shape.c << ", padding " << shape.pad_top << (accumulate ? ", adding" : ""));
      const Pooled expected = pooled(reference_backend(), shape, accumulate),
                   got = pooled(vendor_backend(), shape, accumulate);
      CHECK(got.y == expected.y);
      CHECK(got.dx == expected.dx);
    }
}
