#include "engine/data/augmentation.h"

namespace tessera {
namespace {

// A kind by itself, or several under one name. Names combine: each adds what it has.
struct Named {
  const char* name;
  Augmentation value;
};
constexpr Named names[] = {{"none", Augmentation::none},
                           {"standard", Augmentation::standard},
                           {"airbench", Augmentation::airbench},
                           {"crop", {.crop = 4}},
                           {"flip", {.flip = true}},
                           {"jitter", {.jitter = true}},
                           {"cutout", {.cutout = true}},
                           {"mixup", {.mixup = true}},
                           {"cutmix", {.cutmix = true}}};

// airbench's crop and flip go before the plain ones.
void join(Augmentation& to, const Augmentation& more) {
  if (more.crop > 0 && (more.reflect || !to.reflect)) to.crop = more.crop;
  to.reflect |= more.reflect;
  to.flip |= more.flip;
  to.alternate |= more.alternate;
  to.jitter |= more.jitter;
  to.cutout |= more.cutout;
  to.mixup |= more.mixup;
  to.cutmix |= more.cutmix;
}

}  // namespace

std::string Augmentation::text() const {
  for (const Named& known : names)
    if (known.value == *this) return known.name;
  std::string list;
  Augmentation said;
  for (const Named& known : names) {
    Augmentation with = *this, more = said;
    join(with, known.value), join(more, known.value);
    if (!(with == *this) || more == said) continue;  // not of it, or said already
    list += (list.empty() ? "" : ",") + std::string(known.name);
    said = more;
  }
  return list;
}

std::optional<Augmentation> Augmentation::parse(std::string_view text) {
  Augmentation all;
  for (;;) {
    const std::size_t comma = text.find(',');
    const Named* found = nullptr;
    for (const Named& known : names)
      if (text.substr(0, comma) == known.name) found = &known;
    if (!found) return {};
    join(all, found->value);
    if (comma == text.npos) return all;
    text.remove_prefix(comma + 1);
  }
}

std::string Augmentation::all_names() {
  std::string list;
  for (const Named& known : names) list += (list.empty() ? "" : ", ") + std::string(known.name);
  return list;
}

}  // namespace tessera
