// safetensors, the weights format: 8 bytes of little-endian header length H, H bytes of JSON, then raw little-endian,
// row-major data. JSON: name -> {"dtype", "shape", "data_offsets": [begin, end]} relative to byte 8 + H, and optionally
// "__metadata__": string -> string. Source: https://github.com/huggingface/safetensors (README, "Format").
//
// A file is hostile until checked; every rule below is checked before memory for the data is allocated:
//   H <= min(100 MB, file size - 8); the header begins with '{', is one strict JSON object of that form, without duplicate
//   keys or anything deeper, and may end in spaces; at most 65,536 tensors; dtype is one of element_type.h;
//   end - begin = product of the shape x element size, in checked arithmetic; the tensors together cover the data from its
//   first to its last byte without holes or overlaps, in whatever order. Empty tensors and scalars ("shape": []) are fine.
// Ranks go up to 16 and files to 8 GiB. Each breach is a WeightsError with the file, the offset or tensor, and the reason.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/files/tensor_file.h"

namespace tessera {

struct SafetensorsHeader;

class Safetensors : public TensorFile {
 public:
  static Safetensors read(const std::filesystem::path& path, const SystemCalls& calls = system_calls);
  static Safetensors parse(Bytes file, const std::string& where);  // `where` names the file in errors

 private:
  // `bytes`: the whole file or its data, which begin at `data_at`.
  Safetensors(std::string where, Bytes bytes, std::size_t data_at, SafetensorsHeader header);
};

// The same tensors and metadata always give the same bytes: larger element sizes first (so that every tensor is aligned),
// then by name; the header is padded with spaces to a multiple of 8. WeightsError, which `where` begins, for a name that is
// used twice, reserved or not UTF-8; ShapeError where bytes are not those of a shape.
Bytes encode_safetensors(std::span<const TensorEntry> tensors, const Metadata& metadata,
                         const std::string& where = "safetensors");
void write_safetensors(const std::filesystem::path& path, std::span<const TensorEntry> tensors, const Metadata& metadata,
                       const SystemCalls& calls = system_calls);

// NonFiniteError naming the first tensor, and the element in it, that is NaN or infinite. `what` begins the message.
void require_finite(std::span<const TensorEntry> tensors, std::string_view what);

}  // namespace tessera
