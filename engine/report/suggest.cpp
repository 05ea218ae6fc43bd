#include "engine/report/suggest.h"

#include <algorithm>
#include <cctype>

namespace tessera {
namespace {

// Edit distance in which a swap of two neighbours counts once ("optimal string alignment").
std::size_t distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> rows((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return rows[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        at(i, j) = i + j;
        continue;
      }
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
    }
  return at(a.size(), b.size());
}

bool same_letter(char a, char b) {
  return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return {};
  for (const std::string& candidate : known)
    if (std::equal(word.begin(), word.end(), candidate.begin(), candidate.end(), same_letter)) return candidate;
  std::string nearest;
  std::size_t least = word.size();
  for (const std::string& candidate : known) {
    const std::size_t d = distance(word, candidate);
    if (d < least && 3 * d <= std::max<std::size_t>(candidate.size(), 3)) least = d, nearest = candidate;
  }
  if (!nearest.empty() || word.size() < 4) return nearest;
  for (const std::string& candidate : known)  // the beginning of a longer one
    if (candidate.size() > word.size() && std::equal(word.begin(), word.end(), candidate.begin(), same_letter) &&
        (nearest.empty() || candidate.size() < nearest.size()))
      nearest = candidate;
  return nearest;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string nearest = nearest_word(word, known);
  return nearest.empty() ? "" : "; did you mean '" + nearest + "'?";
}

}  // namespace tessera
