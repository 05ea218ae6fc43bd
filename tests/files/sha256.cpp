#include "engine/files/sha256.h"

#include <string>
#include <string_view>

#include "engine/files/io.h"
#include "tests/catch.h"

using namespace tessera;

// Vectors: NIST, "Examples with intermediate values" and the CAVP short-message file for SHA-256.
TEST_CASE("SHA-256 gives the NIST vectors", "[sha256]") {
  struct Vector {
    std::string text, digest;
  };
  const Vector vectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string("\xd3", 1), "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
      {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const Vector& v : vectors) {
    INFO(v.text.size() << " bytes");
    CHECK(sha256_hex(bytes_of(v.text)) == v.digest);
  }
}

TEST_CASE("SHA-256 does not depend on how the bytes are handed over", "[sha256]") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7 + 3);
  for (std::size_t length = 0; length <= 150; ++length) {  // every place of the padding in a block, twice over
    const std::string whole = sha256_hex(bytes_of(text).first(length));
    for (const std::size_t piece : {1, 3, 63, 64, 65}) {
      Sha256 hash;
      for (std::size_t at = 0; at < length; at += piece)
        hash.update(bytes_of(text).subspan(at, std::min(piece, length - at)));
      REQUIRE(to_hex(hash.finish()) == whole);
    }
  }
}
