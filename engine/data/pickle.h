// Reading Python pickles as data, without Python and without executing anything.
//
// A pickle is a program for a stack machine. This decoder runs the part of it that builds values (protocol 2, as written by
// Python 2's cPickle) and knows three names: numpy.core.multiarray._reconstruct, numpy.ndarray and numpy.dtype, from which
// it recognises arrays of unsigned bytes by their shape on the stack. No name is ever looked up, imported or called; any
// other name, opcode or shape is a DataError with file, offset and reason.
//
// Limits, so that a small file cannot ask for much: 2,000,000 values, memo numbers below 2,000,000, 64 marks. Values refer
// to each other by number and are never walked recursively: neither deep nesting nor a list that contains itself matters.
// Source: CPython's Lib/pickletools.py (the opcodes); NumPy's ndarray.__reduce__ and __setstate__ (the arrays).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/io.h"

namespace tessera {

class Pickle {
 public:
  using Ref = std::uint32_t;  // the number of a value
  enum class Kind : std::uint8_t { none, boolean, integer, text, list, tuple, dict, name, dtype, array };
  struct Value {
    Kind kind = Kind::none;
    std::int64_t integer = 0;     // boolean and integer; of a name: which one
    ByteSpan bytes = {};          // text, or the elements of an array (row-major): points into the file
    std::vector<Ref> items = {};  // list, tuple; dict: key, value, key, value, …; array: its extents
  };

  // The file must outlive the result.
  static Pickle decode(ByteSpan file, const std::string& where);

  Ref root() const { return root_; }
  const Value& operator[](Ref ref) const { return values_[ref]; }
  const std::string& where() const { return where_; }

  // The value under a text key of the dictionary that the file holds. DataError where the file holds no dictionary, or
  // there is no such key or more than one, or the value is of another kind.
  const Value& at(std::string_view key, Kind kind) const;

 private:
  friend class PickleMachine;
  explicit Pickle(std::string where) : where_(std::move(where)) {}

  std::string where_;
  std::vector<Value> values_;
  Ref root_ = 0;
};

const char* name_of(Pickle::Kind kind);

}  // namespace tessera
