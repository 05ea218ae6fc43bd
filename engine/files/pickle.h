// Reading Python pickles as data, without Python and without executing anything.
//
// A pickle is a program for a stack machine. This decoder runs the part of it that builds values and knows a few names, from
// which it recognises arrays and tensors by their shape on the stack. No name is ever looked up, imported or called; any other
// name, opcode or shape is an error with file, offset and reason.
//
//   cifar      protocol 2 as Python 2's cPickle wrote it: arrays of unsigned bytes (numpy.core.multiarray._reconstruct,
//              numpy.ndarray, numpy.dtype). DataErrors.
//   weights    protocols 2 to 5 as NumPy, Paddle and torch.save write them: arrays of numbers, bytes by _codecs.encode, tuple,
//              collections.OrderedDict, torch's _rebuild_tensor_v2, _rebuild_parameter and typed storages, which are named by
//              persistent ids and lie outside the pickle. WeightsErrors.
//
// Limits, so that a small file cannot ask for much: 2,000,000 values, memo numbers below 2,000,000, 64 marks, arrays of 32
// axes; bytes decoded from text are altogether no more than the pickle. Values refer to each other by number and are never
// walked recursively: neither deep nesting nor a list that contains itself matters.
// Source: CPython's Lib/pickletools.py (the opcodes); NumPy's ndarray.__reduce__ and __setstate__ (the arrays); torch/_utils.py
// and torch/serialization.py (tensors and storages).
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/element_type.h"
#include "engine/files/io.h"

namespace tessera {

class Pickle {
 public:
  using Ref = std::uint32_t;  // the number of a value
  enum class Kind : std::uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    list,
    tuple,
    dict,
    name,
    dtype,
    array,
    storage,  // of torch. items: key (text), number of elements (integer)
    tensor    // of torch. items: storage, offset (integer), extents (tuple), strides (tuple), in elements
  };
  enum class For { cifar, weights };
  struct Value {
    Kind kind = Kind::none;
    ElementType element = ElementType::u8;  // of a dtype, array or storage
    bool column_major = false;              // of an array: its first index runs fastest
    std::int64_t integer = 0;               // boolean and integer; of a name: which one
    ByteSpan bytes = {};                    // text, or the elements of an array: points into the file, or what was decoded
    std::vector<Ref> items = {};            // list, tuple; dict: key, value, key, value, …; array: its extents
  };

  // The file must outlive the result.
  static Pickle decode(ByteSpan file, const std::string& where, For use = For::cifar);

  Ref root() const { return root_; }
  const Value& operator[](Ref ref) const { return values_[ref]; }
  const std::string& where() const { return where_; }

  // The value under a text key of the dictionary that the file holds. An error where the file holds no dictionary, or
  // there is no such key or more than one, or the value is of another kind.
  const Value& at(std::string_view key, Kind kind) const;
  // The same in any dictionary; null where there is no such key.
  const Value* find(const Value& dict, std::string_view key) const;

  // What spans of arrays may point into besides the file; to be kept as long as they are.
  std::list<Bytes> release() { return std::move(decoded_); }

 private:
  friend class PickleMachine;
  Pickle(std::string where, ExitCode on_error) : where_(std::move(where)), on_error_(on_error) {}

  std::string where_;
  ExitCode on_error_;
  std::vector<Value> values_;
  std::list<Bytes> decoded_;
  Ref root_ = 0;
};

const char* name_of(Pickle::Kind kind);

}  // namespace tessera
