// The mistakes that a network was surest of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

struct Mistake {
  std::int64_t image = 0;  // place in the evaluated set
  std::int32_t label = 0, predicted = 0;
  double doubt = 0;  // (1 − p)/p of the predicted class; unlike p it tells 0.999999999 from 1
  double probability() const { return 1 / (1 + doubt); }
};

class Mistakes {
 public:
  explicit Mistakes(std::size_t limit) : limit_(limit) {}

  // The next images of the set: logits [n, outputs] row by row. With one output, class 1 is predicted above 0.
  void add(std::span<const float> logits, std::span<const std::int32_t> labels);

  // At most `limit` of them, the surest first; equally sure ones in the order of the set.
  std::vector<Mistake> surest() const;
  std::int64_t count() const { return count_; }  // of all mistakes
  std::int64_t images() const { return seen_; }

 private:
  std::size_t limit_;
  std::int64_t seen_ = 0, count_ = 0;
  std::vector<Mistake> kept_;
};

}  // namespace tessera
