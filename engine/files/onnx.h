// An ONNX model, written. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3; IR version 8, opset 17.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tessera {

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>> value;
};

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs;
  std::string output;
  std::vector<OnnxAttribute> attributes = {};
  std::string name = {};  // for people
};

// A constant: float32, row-major; rank 0 is one number.
struct OnnxConstant {
  std::string name;
  std::vector<std::int64_t> dims;
  std::vector<float> values;
};

enum class OnnxType : std::uint8_t { float32 = 1, uint8 = 2 };

struct OnnxValue {
  std::string name;
  OnnxType type = OnnxType::float32;
  std::vector<std::int64_t> dims;  // −1: any number, called N
};

struct OnnxModel {
  std::string name;
  std::vector<OnnxNode> nodes;  // each after those whose outputs it takes
  std::vector<OnnxConstant> constants;
  OnnxValue input, output;
  std::vector<std::pair<std::string, std::string>> metadata;

  // std::length_error where it would be larger than the 2 GiB that a message may have.
  std::string bytes() const;
};

}  // namespace tessera
