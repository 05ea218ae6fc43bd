#include "engine/report/mistakes.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace tessera {
namespace {

bool surer(const Mistake& a, const Mistake& b) { return std::tie(a.doubt, a.image) < std::tie(b.doubt, b.image); }

// The predicted class of one image and how much the outputs leave to the others: Σ e^(zⱼ − z_p) over j ≠ p.
Mistake judge(std::span<const float> logits) {
  if (logits.size() == 1) return {.predicted = logits[0] > 0 ? 1 : 0, .doubt = std::exp(-std::abs(double{logits[0]}))};
  Mistake m{.predicted = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
  const auto predicted = static_cast<std::size_t>(m.predicted);
  for (std::size_t j = 0; j < logits.size(); ++j)
    if (j != predicted) m.doubt += std::exp(double{logits[j]} - double{logits[predicted]});
  return m;
}

}  // namespace

void Mistakes::add(std::span<const float> logits, std::span<const std::int32_t> labels) {
  const std::size_t outputs = labels.empty() ? 0 : logits.size() / labels.size();
  for (std::size_t i = 0; i < labels.size(); ++i, ++seen_) {
    Mistake m = judge(logits.subspan(i * outputs, outputs));
    if (m.predicted == labels[i]) continue;
    ++count_;
    m.image = seen_, m.label = labels[i];
    if (std::isfinite(m.doubt)) kept_.push_back(m);
  }
  if (kept_.size() > 4 * limit_) kept_ = surest();
}

std::vector<Mistake> Mistakes::surest() const {
  std::vector<Mistake> sorted = kept_;
  std::sort(sorted.begin(), sorted.end(), surer);
  if (sorted.size() > limit_) sorted.resize(limit_);
  return sorted;
}

}  // namespace tessera
