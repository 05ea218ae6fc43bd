// Weights in any format that is read, and in any that is written: the one place that knows them all.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/files/output.h"
#include "engine/files/tensor_file.h"

namespace tessera {

// The format is told by what the file holds, not by its name: .safetensors; .pt and .pth (state_dict.h), .npz (npy.h), .pdparams; .weights.h5,
// .keras and .h5 (keras.h) where the build has HDF5.
// Nothing in a file is ever executed. WeightsError with file, place and reason.
TensorFile read_weights(const std::filesystem::path& path, const SystemCalls& calls = system_calls);
TensorFile parse_weights(Bytes file, const std::string& where);

inline constexpr const char* formats_read = ".safetensors, .pt, .pth, .npz, .pdparams, .weights.h5, .h5, .keras";

// What a file is to be written as, told by the ending of its name.
struct WeightsFormat {
  std::string_view ending;
  TensorNames names;
  void (*write)(const Output& output, std::span<const TensorEntry> tensors, const Metadata& metadata);
};
// UsageError listing the endings there are.
const WeightsFormat& format_to_write(const std::string& name);
std::string formats_written();

}  // namespace tessera
