// Foreign text before it is shown. Code points by the Unicode Standard; escapes by ECMA-48.
#include "engine/core/foreign_text.h"

#include "tests/catch.h"

using namespace tessera;

TEST_CASE("control characters, bidirectional controls and broken UTF-8 are escaped, all else stays") {
  CHECK(escaped("plain ünïcode 日本 🚢") == "plain ünïcode 日本 🚢");
  CHECK(escaped("a\x1b[2J\x7f") == "a\\x1b[2J\\x7f");
  CHECK(escaped("\xc2\x9b"
                "31m") == "\\u{9b}31m");  // CSI as one character, which some terminals obey
  CHECK(escaped("abc\xe2\x80\xae"
                "gpj") == "abc\\u{202e}gpj");  // right-to-left override
  CHECK(escaped("\xe2\x81\xa6\xe2\x80\xa8\xd8\x9c") == "\\u{2066}\\u{2028}\\u{61c}");
  CHECK(escaped("caf\xe9") == "caf\\xe9");
  CHECK(escaped("\xc0\xaf\xed\xa0\x80\xf5\xe2\x80") ==
        "\\xc0\\xaf\\xed\\xa0\\x80\\xf5\\xe2\\x80");  // overlong, surrogate, too large, cut
  CHECK(escaped("two\nlines\tand \r") == "two\\x0alines\\x09and \\x0d");
  CHECK(escaped("two\nlines\tand \r", Keep::lines) == "two\nlines\tand \\x0d");
  CHECK(escaped("{\"a\":\"\xc2\x9b\xe2\x80\xae\x7f\"}\n", Keep::json) == "{\"a\":\"\\u009b\\u202e\\u007f\"}\n");
}

TEST_CASE("foreign text in messages is quoted, harmless and short") {
  CHECK(printable("plain") == "'plain'");
  CHECK(printable(std::string("a\x1b[2J\n\0z", 8)) == "'a\\x1b[2J\\x0a\\x00z'");
  CHECK(printable(std::string(200, 'x')).size() == 80 + 2 + 3);
  CHECK(printable(std::string(79, 'x') + "ü") == "'" + std::string(79, 'x') + "…'");  // cut between characters
}
