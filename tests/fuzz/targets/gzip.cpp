#include "tests/deflate.h"
#include "tests/fuzz/targets/mutations.h"

namespace tessera::fuzz {

std::string gzip(std::string_view plain) { return tests::deflated(plain, tests::Wrapping::gzip, 1); }

}  // namespace tessera::fuzz
