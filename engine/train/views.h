// Views: the same images seen in several ways, whose outputs are averaged at evaluation ("test-time augmentation").
#pragma once

#include "engine/train/batches.h"
#include "engine/train/evaluate.h"

namespace tessera {

// With M(x) = ½·(net(x) + net(mirrored x)) and p = x padded by 1 cell that reflects:
//   ½·M(x) + ¼·(M(p without its last two rows and columns) + M(p without its first two))
// as views beside that of the images as they are, which has the rest of the weight: ¼.
// Source: Jordan 2024, arXiv 2404.00498, section 3.5.
class SixViews {
 public:
  SixViews(const DeviceImages& images, const Normalization& normalization);
  std::vector<SampleView> views() const;  // valid as long as this is

 private:
  std::vector<ImageBatches> sources_;
};

}  // namespace tessera
