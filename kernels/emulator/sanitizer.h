// TESSERA_ASAN: defined where this file is compiled with AddressSanitizer (g++ and clang say so differently).
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define TESSERA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TESSERA_ASAN 1
#endif
#endif
