// The overlay's table beside ours.
#include <string>
#include <utility>
#include <vector>

#include "kernels/backends.h"
#include "tests/catch.h"

using namespace tessera::kernels;

// The engine prefers a slot that does at once what several do, wherever there is one: one of ours that the overlay inherited
// would keep the libraries from what they are asked for.
TEST_CASE("no convolution and no product of the overlay is our kernel by itself") {
  std::vector<std::pair<std::string, bool>> products;  // by name; empty?
  const Backend &ours = cuda_backend(), &overlay = vendor_backend();
#define TESSERA_SLOT(name, ...)                                                                 \
  if (const std::string slot = #name;                                                           \
      slot.starts_with("conv2d") || slot.starts_with("linear") || slot.starts_with("matmul")) { \
    INFO(slot);                                                                                 \
    CHECK(ours.name);                                                                           \
    CHECK_FALSE(overlay.name == ours.name);                                                     \
    products.emplace_back(slot, !overlay.name);                                                 \
  }
#include "kernels/slots.def"
  CHECK(products == std::vector<std::pair<std::string, bool>>{{"matmul", false},
                                                              {"linear_backward", true},
                                                              {"conv2d_forward", false},
                                                              {"conv2d_forward_statistics", true},
                                                              {"conv2d_backward_data", false},
                                                              {"conv2d_backward_weights", false},
                                                              {"conv2d_backward", true}});
}
