// The JSON header of a safetensors file, read strictly. Internal to the reader in safetensors.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files/safetensors.h"

namespace tessera {

struct SafetensorsHeader {
  struct Tensor {
    std::string name;
    ElementType dtype = ElementType::f32;
    std::vector<std::int64_t> shape = {};
    std::uint64_t begin = 0, end = 0;  // in the data behind the header
  };
  std::vector<Tensor> tensors;  // by position; they cover [0, data_size) exactly
  Metadata metadata;
};

// Every rule of safetensors.h but those on the header's length; `data_size` is what the file has behind the header.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size, const std::string& where);

}  // namespace tessera
