// Catch2's main, compiled once for all test executables (version 2; later ones bring it as a library).
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
