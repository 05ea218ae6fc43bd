// Named tensors as a file of weights holds them, whatever its format.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/element_type.h"
#include "engine/files/io.h"

namespace tessera {

// A named tensor whose data lies elsewhere: little-endian, row-major. The bytes may be unaligned: copy them out.
struct TensorEntry {
  std::string name;
  ElementType dtype = ElementType::f32;
  std::vector<std::int64_t> shape = {};
  ByteSpan bytes = {};

  std::int64_t count() const;
};

using Metadata = std::map<std::string, std::string>;

// By whose names and in whose layouts tensors are kept.
enum class TensorNames {
  torch,   // <module>.weight, .bias, .running_mean, .running_var; filters O,I,H,W; linear weights [out,in]. Ours are these
  paddle,  // as torch, but ._mean, ._variance, and linear weights [in,out]
  keras,   // <path of the layer>/kernel, bias, gamma, beta, moving_mean, moving_variance; H,W,I,O; [in,out]; flattened H,W,C
};

class TensorFile {
 public:
  // `where` names the file in errors.
  explicit TensorFile(std::string where, TensorNames names = TensorNames::torch)
      : where_(std::move(where)), convention_(names) {}
  TensorFile(TensorFile&&) = default;  // moving keeps the spans valid, copying would not
  TensorFile& operator=(TensorFile&&) = default;

  const std::vector<TensorEntry>& tensors() const { return tensors_; }  // in the order of the file
  const TensorEntry* find(std::string_view name) const;                 // null where there is none
  const TensorEntry& at(std::string_view name) const;                   // WeightsError where there is none
  const Metadata& metadata() const { return metadata_; }
  const std::string& where() const { return where_; }
  TensorNames names() const { return convention_; }

  // For readers. WeightsError where the name is not UTF-8 or there already, a rank is beyond 16 or it is the 65,537th.
  void add(TensorEntry tensor);
  void set_metadata(Metadata metadata) { metadata_ = std::move(metadata); }
  ByteSpan keep(Bytes bytes);  // what spans of entries point into
  void keep(TensorFile&& other) { kept_.splice(kept_.end(), other.kept_); }

 private:
  std::string where_;
  TensorNames convention_;
  std::list<Bytes> kept_;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, std::size_t, std::less<>> index_;
  Metadata metadata_;
};

// Elements of `size` bytes, element (i, j, …) of the result being number i·strides[0] + j·strides[1] + … of `from`. The caller
// has seen that all of them are there; the stride of an axis of one element may be any.
Bytes gather(ByteSpan from, std::size_t size, const std::vector<std::int64_t>& shape, std::vector<std::int64_t> strides);

// Elements of a column-major array (NumPy's Fortran order) in row-major order.
Bytes to_row_major(ByteSpan column_major, std::size_t size, const std::vector<std::int64_t>& shape);

// The bytes that elements of a shape take; WeightsError (`what` begins it) where an extent is negative or they are beyond
// 2^63.
std::uint64_t bytes_of_shape(ElementType type, const std::vector<std::int64_t>& shape, const std::string& what);

}  // namespace tessera
