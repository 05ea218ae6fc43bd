#include "engine/core/fields.h"

#include <charconv>

namespace tessera {
namespace {

std::string text_of(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace

std::string range_problem(const FieldNote& note, double value) {
  if (std::isfinite(value) && (note.above ? value > note.least : value >= note.least) && value <= note.most) return {};
  const bool low = std::isfinite(note.least), high = std::isfinite(note.most);
  const std::string least = text_of(note.least), most = text_of(note.most);
  if (!low) return high ? "must be at most " + most : "must be a finite number";
  if (note.above) return "must be above " + least + (high ? " and at most " + most : "");
  return high ? "must be from " + least + " to " + most : "must be at least " + least;
}

}  // namespace tessera
