// What the value of an option may be: the one place that reads numbers and words of the command line. A refusal is one short
// line, "--lr nan: expected a number above 0".
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/core/fields.h"

namespace tessera {

// A whole number in decimal digits (T an integer) or a finite decimal number (T double) within the note's range and T's own.
// No blanks, no other notation, nothing that overflows; a double must also mean something in float32, in which kernels
// compute: 1e-50 is 0 there.
template <class T>
CLI::Validator number(const FieldNote& note = {});

extern template CLI::Validator number<int>(const FieldNote&);
extern template CLI::Validator number<std::int64_t>(const FieldNote&);
extern template CLI::Validator number<std::uint64_t>(const FieldNote&);
extern template CLI::Validator number<double>(const FieldNote&);

// The name of a picture that will be a PNG, whatever it is called: no other picture's ending.
CLI::Validator png_name();

CLI::Validator one_of(std::vector<std::string> words);

}  // namespace tessera
