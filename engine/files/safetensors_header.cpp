// A SAX reader and not a DOM one: a DOM silently keeps one of two equal keys, and builds whatever depth it is given.
#include "engine/files/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace tessera {
namespace {

constexpr std::size_t most_tensors = 65536, highest_rank = 16;

// Where the reader is:   { "name": { "shape": [ … ] } }
//                       outside root  tensor   numbers     (or metadata instead of tensor)
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(const std::string& file) : where_(file) {}
  SafetensorsHeader header;

  bool start_object(std::size_t) override {
    switch (level_) {
      case Level::outside: level_ = Level::root; return true;
      case Level::root: level_ = in_metadata_ ? Level::metadata : Level::tensor; return true;
      default: broken("an object stands where the format has none");
    }
  }

  bool key(string_t& key) override {
    switch (level_) {
      case Level::root: begin_entry(key); break;
      case Level::metadata:
        if (header.metadata.count(key) > 0) broken("__metadata__ has the key " + printable(key) + " twice");
        metadata_key_ = key;
        break;
      default: begin_field(key);
    }
    return true;
  }

  bool string(string_t& value) override {
    if (level_ == Level::metadata) {
      header.metadata.emplace(metadata_key_, value);
      return true;
    }
    if (level_ != Level::tensor || field_ != Field::dtype) unexpected("a string");
    const std::optional<ElementType> type = element_type_of(value);
    if (!type) broken("has dtype " + printable(value) + ", which is not read here; save it as F32, F64, F16 or BF16");
    header.tensors.back().dtype = *type;
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ != Level::tensor || field_ == Field::dtype) unexpected("an array");
    level_ = Level::numbers;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::numbers) unexpected("a number");
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max())) broken("has a number beyond 2^63");
    if (numbers_.size() == highest_rank) broken("has more than 16 numbers in one array");
    numbers_.push_back(value);
    return true;
  }

  bool end_array() override {
    SafetensorsHeader::Tensor& tensor = header.tensors.back();
    if (field_ == Field::shape) {
      tensor.shape.assign(numbers_.begin(), numbers_.end());
    } else {
      if (numbers_.size() != 2) broken("needs two data_offsets, but has " + std::to_string(numbers_.size()));
      tensor.begin = numbers_[0];
      tensor.end = numbers_[1];
    }
    level_ = Level::tensor;
    return true;
  }

  bool end_object() override {
    if (level_ == Level::tensor && fields_ != 7)
      broken("lacks " + std::string((fields_ & 1) == 0 ? "dtype" : (fields_ & 2) == 0 ? "shape" : "data_offsets"));
    level_ = level_ == Level::root ? Level::outside : Level::root;
    entry_.clear();
    in_metadata_ = false;
    return true;
  }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool number_integer(number_integer_t) override { unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { unexpected("a fraction or a number beyond 2^64"); }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    fail(ExitCode::weights,
         where_ + ": byte " + std::to_string(8 + position) + ": the header is not valid JSON; the file is damaged");
  }

 private:
  enum class Level { outside, root, tensor, metadata, numbers };
  enum class Field { dtype = 1, shape = 2, offsets = 4 };

  void begin_entry(const std::string& key) {
    if (!names_.insert(key).second) broken("has the key " + printable(key) + " twice");
    in_metadata_ = key == "__metadata__";
    if (in_metadata_) return;
    entry_ = key;
    if (header.tensors.size() == most_tensors) broken("is one too many: at most 65,536 tensors are read");
    header.tensors.push_back({.name = key});
    fields_ = 0;
  }

  void begin_field(const std::string& key) {
    if (key == "dtype") {
      field_ = Field::dtype;
    } else if (key == "shape") {
      field_ = Field::shape;
    } else if (key == "data_offsets") {
      field_ = Field::offsets;
    } else {
      broken("has the field " + printable(key) + ", which the format has not");
    }
    if ((fields_ & static_cast<int>(field_)) != 0) broken("has the field " + printable(key) + " twice");
    fields_ |= static_cast<int>(field_);
    numbers_.clear();
  }

  [[noreturn]] void unexpected(const char* what) const { broken(std::string(what) + " stands where the format has none"); }
  [[noreturn]] void broken(const std::string& reason) const {
    fail(ExitCode::weights, where_ + ": header" + (entry_.empty() ? "" : ", tensor " + printable(entry_)) + ": " + reason);
  }

  const std::string& where_;
  Level level_ = Level::outside;
  Field field_ = Field::dtype;
  int fields_ = 0;  // of this tensor, seen so far
  bool in_metadata_ = false;
  std::string entry_, metadata_key_;
  std::vector<number_unsigned_t> numbers_;
  std::set<std::string> names_;
};

// product of the shape × element size; overflow is an error.
std::uint64_t bytes_of_shape(const SafetensorsHeader::Tensor& tensor, const std::string& where) {
  std::uint64_t bytes = size_of(tensor.dtype);
  for (const std::int64_t extent : tensor.shape)
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes))
      fail(ExitCode::weights, where + ": tensor " + printable(tensor.name) + ": its shape has more than 2^64 bytes");
  return bytes;
}

std::string range(const SafetensorsHeader::Tensor& tensor) {
  return "[" + std::to_string(tensor.begin) + ", " + std::to_string(tensor.end) + ")";
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size, const std::string& where) {
  if (json.empty() || json.front() != '{')
    fail(ExitCode::weights, where + ": byte 8: the header does not begin with '{'; this is no safetensors file");
  // The JSON parser takes a zero byte for the end of its input, and any white space behind the object; the format has
  // neither.
  if (const std::size_t zero = json.find('\0'); zero != json.npos)
    fail(ExitCode::weights, where + ": byte " + std::to_string(8 + zero) + ": zero byte in the header; the file is damaged");
  const std::size_t last = json.find_last_not_of(' ');
  if (json[last] != '}')
    fail(ExitCode::weights, where + ": byte " + std::to_string(8 + last) + ": the header does not end with '}'");
  json = json.substr(0, last + 1);

  HeaderReader reader(where);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);  // returns false only after parse_error, which throws

  std::vector<SafetensorsHeader::Tensor>& tensors = reader.header.tensors;
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t covered = 0;
  for (const SafetensorsHeader::Tensor& tensor : tensors) {
    const std::string tensor_at = where + ": tensor " + printable(tensor.name) + ": data_offsets " + range(tensor);
    if (tensor.end < tensor.begin) fail(ExitCode::weights, tensor_at + " end before they begin");
    if (tensor.end > data_size)
      fail(ExitCode::weights,
           tensor_at + " go beyond the file, which has " + std::to_string(data_size) + " bytes of data; it was cut");
    if (tensor.begin != covered)
      fail(ExitCode::weights, tensor_at + (tensor.begin < covered ? " overlap the tensor before" : " leave a hole") +
                                  "; expected to begin at " + std::to_string(covered));
    if (const std::uint64_t needed = bytes_of_shape(tensor, where); needed != tensor.end - tensor.begin)
      fail(ExitCode::weights, tensor_at + " hold " + std::to_string(tensor.end - tensor.begin) +
                                  " bytes, but dtype and shape need " + std::to_string(needed));
    covered = tensor.end;
  }
  if (covered != data_size)
    fail(ExitCode::weights, where + ": byte " + std::to_string(8 + json.size() + covered) +
                                " and on: " + std::to_string(data_size - covered) + " bytes of data belong to no tensor");
  return std::move(reader.header);
}

}  // namespace tessera
