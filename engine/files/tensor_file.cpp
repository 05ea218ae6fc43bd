#include "engine/files/tensor_file.h"

#include <cstring>
#include <utility>

#include "engine/core/utf8.h"

namespace tessera {
namespace {

constexpr std::size_t most_tensors = 65536, highest_rank = 16;

}  // namespace

std::int64_t TensorEntry::count() const {
  std::int64_t n = 1;
  for (const std::int64_t extent : shape) n *= extent;
  return n;
}

const TensorEntry* TensorFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const TensorEntry& TensorFile::at(std::string_view name) const {
  if (const TensorEntry* tensor = find(name)) return *tensor;
  throw WeightsError(where_ + ": has no tensor " + printable(name) + "; is it a file of another network?");
}

void TensorFile::add(TensorEntry tensor) {
  const std::string tensor_at = where_ + ": tensor " + printable(tensor.name);
  if (tensors_.size() == most_tensors) throw WeightsError(tensor_at + " is one too many: at most 65,536 tensors are read");
  if (tensor.shape.size() > highest_rank)
    throw WeightsError(tensor_at + ": has " + std::to_string(tensor.shape.size()) + " axes; at most 16 are read");
  if (!is_utf8(tensor.name))
    throw WeightsError(tensor_at + ": its name is not UTF-8, which no other format could hold; rename it");
  if (!index_.emplace(tensor.name, tensors_.size()).second) throw WeightsError(tensor_at + ": is there twice");
  tensors_.push_back(std::move(tensor));
}

ByteSpan TensorFile::keep(Bytes bytes) { return kept_.emplace_back(std::move(bytes)); }

Bytes gather(ByteSpan from, std::size_t size, const std::vector<std::int64_t>& shape, std::vector<std::int64_t> strides) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  Bytes to(count * size);
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (shape[axis] == 1) strides[axis] = 0;  // never stepped, and any number, with which `at` could overflow
  std::vector<std::int64_t> index(shape.size());
  std::int64_t at = 0;
  for (std::size_t element = 0; element < count; ++element) {
    std::memcpy(to.data() + element * size, from.data() + static_cast<std::size_t>(at) * size, size);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
  }
  return to;
}

Bytes to_row_major(ByteSpan column_major, std::size_t size, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides;
  std::int64_t stride = 1;
  for (const std::int64_t extent : shape) strides.push_back(std::exchange(stride, stride * extent));
  return gather(column_major, size, shape, strides);
}

std::uint64_t bytes_of_shape(ElementType type, const std::vector<std::int64_t>& shape, const std::string& what) {
  std::int64_t bytes = static_cast<std::int64_t>(size_of(type));
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) throw WeightsError(what + ": has a negative extent");
    if (extent == 0) empty = true;
    if (extent > 0 && __builtin_mul_overflow(bytes, extent, &bytes))
      throw WeightsError(what + ": its shape has more than 2^63 bytes");
  }
  return empty ? 0 : static_cast<std::uint64_t>(bytes);
}

}  // namespace tessera
