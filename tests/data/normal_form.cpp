#include "engine/data/normal_form.h"

#include "engine/core/utf8.h"
#include "tests/catch.h"

using namespace tessera;

// Both forms as Python's unicodedata.normalize gives them.
TEST_CASE("names that look alike have one normal form", "[unicode]") {
  const std::pair<const char*, const char*> composed_and_not[] = {
      {"caf\u00e9", "cafe\u0301"},
      {"\u00c5ngstr\u00f6m", "A\u030angstro\u0308m"},
      {"\u1ec7", "e\u0323\u0302"},                   // Vietnamese: two marks
      {"\u01d7", "U\u0308\u0301"},                   // a letter of a letter
      {"\u1f82", "\u03b1\u0313\u0300\u0345"},        // Greek: three marks
      {"\u0439\u0451", "\u0438\u0306\u0435\u0308"},  // Cyrillic
      {"\u304c\u30d1", "\u304b\u3099\u30cf\u309a"},  // kana
      {"\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"},
      {"\uac00", "\u1100\u1161"},
      {"\ud7a3", "\u1112\u1175\u11c2"},  // the last syllable
      {"\u0623\u0622", "\u0627\u0654\u0627\u0653"},
      {"\u0bca", "\u0bc6\u0bbe"},
      {"\U0001109a", "\U00011099\U000110ba"},
  };
  for (const auto& [composed, decomposed] : composed_and_not) {
    INFO(composed);
    CHECK(normal_form(composed) == decomposed);
    CHECK(normal_form(decomposed) == decomposed);
  }
  CHECK(normal_form("a\u0301\u0323") == normal_form("a\u0323\u0301"));  // marks above and below, in either order
  CHECK(normal_form("a\u0301\u0300") != normal_form("a\u0300\u0301"));  // both above: the order is seen
  CHECK(normal_form("\u00e9") != normal_form("e"));
  CHECK(normal_form("\u00e9") != normal_form("\u00e8"));
  for (const char* same : {"", "cat", "\u732b", "\u00f8", "\u00df", "\U0001f408", "\u202e"})
    CHECK(normal_form(same) == same);
  CHECK(normal_form("caf\xe9") == "caf\xe9");
}

TEST_CASE("what is not UTF-8 is seen", "[unicode]") {
  for (const char* text : {"", "cat", "\u00e9", "\u732b", "\U0010ffff"}) CHECK(is_utf8(text));
  for (const char* text : {"\xe9", "caf\xe9", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"})
    CHECK_FALSE(is_utf8(text));
}
