#include "engine/files/onnx.h"

#include <cstring>
#include <stdexcept>

#include "engine/files/protobuf.h"

namespace tessera {
namespace {

// Field numbers of onnx.proto3.
struct Model {
  static constexpr int ir_version = 1, producer_name = 2, producer_version = 3, graph = 7, opset_import = 8, metadata = 14;
};
struct Graph {
  static constexpr int node = 1, name = 2, initializer = 5, input = 11, output = 12;
};
struct Node {
  static constexpr int input = 1, output = 2, name = 3, op_type = 4, attribute = 5;
};
struct Attribute {
  static constexpr int name = 1, f = 2, i = 3, s = 4, ints = 8, type = 20;
  static constexpr std::int64_t kind_float = 1, kind_int = 2, kind_string = 3, kind_ints = 7;
};
struct Constant {
  static constexpr int dims = 1, data_type = 2, name = 8, raw_data = 9;
};

ProtobufMessage encoded(const OnnxAttribute& attribute) {
  ProtobufMessage m;
  m.text(Attribute::name, attribute.name);
  if (const auto* i = std::get_if<std::int64_t>(&attribute.value)) {
    m.integer(Attribute::i, *i);
    m.integer(Attribute::type, Attribute::kind_int);
  } else if (const auto* f = std::get_if<float>(&attribute.value)) {
    m.number(Attribute::f, *f);
    m.integer(Attribute::type, Attribute::kind_float);
  } else if (const auto* s = std::get_if<std::string>(&attribute.value)) {
    m.text(Attribute::s, *s);
    m.integer(Attribute::type, Attribute::kind_string);
  } else {
    for (const std::int64_t value : std::get<std::vector<std::int64_t>>(attribute.value)) m.integer(Attribute::ints, value);
    m.integer(Attribute::type, Attribute::kind_ints);
  }
  return m;
}

ProtobufMessage encoded(const OnnxNode& node) {
  ProtobufMessage m;
  for (const std::string& input : node.inputs) m.text(Node::input, input);
  m.text(Node::output, node.output);
  if (!node.name.empty()) m.text(Node::name, node.name);
  m.text(Node::op_type, node.op);
  for (const OnnxAttribute& attribute : node.attributes) m.message(Node::attribute, encoded(attribute));
  return m;
}

ProtobufMessage encoded(const OnnxConstant& constant) {
  ProtobufMessage m;
  for (const std::int64_t extent : constant.dims) m.integer(Constant::dims, extent);
  m.integer(Constant::data_type, static_cast<std::int64_t>(OnnxType::float32));
  m.text(Constant::name, constant.name);
  static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");
  std::string raw(constant.values.size() * sizeof(float), '\0');
  std::memcpy(raw.data(), constant.values.data(), raw.size());
  m.text(Constant::raw_data, raw);
  return m;
}

ProtobufMessage encoded(const OnnxValue& value) {
  ProtobufMessage shape;
  for (const std::int64_t extent : value.dims) {
    ProtobufMessage dimension;  // dim_value = 1, dim_param = 2
    if (extent < 0)
      dimension.text(2, "N");
    else
      dimension.integer(1, extent);
    shape.message(1, dimension);
  }
  ProtobufMessage tensor;  // elem_type = 1, shape = 2
  tensor.integer(1, static_cast<std::int64_t>(value.type));
  tensor.message(2, shape);
  ProtobufMessage type;  // tensor_type = 1
  type.message(1, tensor);
  ProtobufMessage m;  // name = 1, type = 2
  m.text(1, value.name);
  m.message(2, type);
  return m;
}

}  // namespace

std::string OnnxModel::bytes() const {
  ProtobufMessage graph;
  for (const OnnxNode& node : nodes) graph.message(Graph::node, encoded(node));
  graph.text(Graph::name, name);
  for (const OnnxConstant& constant : constants) graph.message(Graph::initializer, encoded(constant));
  graph.message(Graph::input, encoded(input));
  graph.message(Graph::output, encoded(output));

  ProtobufMessage opset;  // domain = 1 (empty: ONNX's own), version = 2
  opset.integer(2, 17);
  ProtobufMessage m;
  m.integer(Model::ir_version, 8);
  m.text(Model::producer_name, "Tessera");
  m.text(Model::producer_version, TESSERA_VERSION);
  m.message(Model::graph, graph);
  m.message(Model::opset_import, opset);
  for (const auto& [key, value] : metadata) {
    ProtobufMessage entry;  // key = 1, value = 2
    entry.text(1, key);
    entry.text(2, value);
    m.message(Model::metadata, entry);
  }
  if (m.bytes().size() >= (std::size_t{1} << 31)) throw std::length_error("a model of 2 GiB or more");
  return m.bytes();
}

}  // namespace tessera
