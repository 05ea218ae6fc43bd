#include "engine/files/state_dict.h"

#include <algorithm>
#include <cstring>

#include "engine/files/pickle.h"
#include "engine/files/pickle_names.h"

namespace tessera {
namespace {

using Kind = Pickle::Kind;
using Value = Pickle::Value;

std::vector<std::int64_t> numbers_of(const Pickle& pickle, const std::vector<Pickle::Ref>& refs, const std::string& what) {
  std::vector<std::int64_t> numbers;
  for (const Pickle::Ref ref : refs) {
    if (pickle[ref].kind != Kind::integer) throw WeightsError(what + ": has an extent that is no whole number");
    numbers.push_back(pickle[ref].integer);
  }
  return numbers;
}

// Bytes of all tensors. A small file may have one storage and thousands of tensors in it, all of which are copied one day.
class Vouched {
 public:
  explicit Vouched(std::uint64_t file_bytes) : most_((std::uint64_t{64} << 20) + 16 * file_bytes) {}
  void take(std::uint64_t bytes, const std::string& what) {
    if (bytes > most_ || taken_ > most_ - bytes)
      throw WeightsError(what + ": all in all more than " + std::to_string(most_) +
                         " bytes, more than the file vouches for; save it without tensors that share their elements");
    taken_ += bytes;
  }

 private:
  std::uint64_t most_, taken_ = 0;
};

// ---- torch ---------------------------------------------------------------------------------------------------------------

class TorchReader {
 public:
  TorchReader(Bytes bytes, const std::string& where)
      : where_(where),
        result_(where),
        file_(result_.keep(std::move(bytes))),
        zip_(file_, where, ExitCode::weights),
        vouched_(file_.size()) {}

  TensorFile run() {
    constexpr std::string_view pickle_name = "data.pkl";
    const ZipReader::Entry* data = nullptr;
    for (const ZipReader::Entry& entry : zip_.entries())
      if (entry.name == pickle_name || entry.name.ends_with("/data.pkl")) {
        if (data) broken("has two data.pkl");
        data = &entry;
      }
    if (!data) broken("a zip archive without data.pkl: not what torch.save writes");
    root_ = data->name.substr(0, data->name.size() - pickle_name.size());
    if (const ZipReader::Entry* order = zip_.find(root_ + "byteorder"); order && text_of(zip_.read(*order)) != "little")
      broken("its numbers are not little-endian; save it again on such a machine");
    const Pickle pickle = Pickle::decode(zip_.read(*data), where_ + ": " + escaped(data->name), Pickle::For::weights);
    const Value& dict = state_dict(pickle);
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const Value &key = pickle[dict.items[i]], &value = pickle[dict.items[i + 1]];
      if (value.kind != Kind::tensor) continue;  // a counter, a version
      if (key.kind != Kind::text) broken("has a tensor whose name is no text");
      add(pickle, std::string(text_of(key.bytes)), value);
    }
    for (Bytes& inflated : zip_.release()) result_.keep(std::move(inflated));
    return std::move(result_);
  }

 private:
  [[noreturn]] void broken(const std::string& reason) const { throw WeightsError(where_ + ": " + reason); }

  static bool has_tensors(const Pickle& pickle, const Value& dict) {
    for (std::size_t i = 1; i < dict.items.size(); i += 2)
      if (pickle[dict.items[i]].kind == Kind::tensor) return true;
    return false;
  }

  const Value& state_dict(const Pickle& pickle) const {
    const Value& root = pickle[pickle.root()];
    if (root.kind != Kind::dict) broken(std::string("holds a ") + name_of(root.kind) + ", not a state dict");
    if (has_tensors(pickle, root)) return root;
    for (const char* key : {"state_dict", "model", "model_state_dict"})
      if (const Value* inner = pickle.find(root, key); inner && inner->kind == Kind::dict && has_tensors(pickle, *inner))
        return *inner;
    std::string keys;
    for (std::size_t i = 0; i + 1 < root.items.size() && keys.size() < 200; i += 2)
      if (pickle[root.items[i]].kind == Kind::text)
        keys += (keys.empty() ? "" : ", ") + printable(text_of(pickle[root.items[i]].bytes));
    broken("holds no state dict, neither itself nor under 'state_dict', 'model' or 'model_state_dict'; its keys: " +
           (keys.empty() ? "none" : keys));
  }

  void add(const Pickle& pickle, std::string name, const Value& tensor) {
    const std::string what = where_ + ": tensor " + printable(name);
    const Value& storage = pickle[tensor.items[0]];
    const std::vector<std::int64_t> shape = numbers_of(pickle, pickle[tensor.items[2]].items, what),
                                    strides = numbers_of(pickle, pickle[tensor.items[3]].items, what);
    const std::int64_t offset = pickle[tensor.items[1]].integer, count = pickle[storage.items[1]].integer;
    const std::size_t size = size_of(storage.element);
    const ByteSpan all = bytes_of_storage(pickle[storage.items[0]]);
    const std::uint64_t stored = all.size() / size;
    if (count < 0 || static_cast<std::uint64_t>(count) != stored || all.size() % size != 0)
      throw WeightsError(what + ": its storage has " + std::to_string(all.size()) + " bytes, not " + std::to_string(count) +
                         " elements of " + std::string(word_of(storage.element)));
    if (strides.size() != shape.size()) throw WeightsError(what + ": has strides for another number of axes");
    const std::uint64_t bytes = bytes_of_shape(storage.element, shape, what);
    // The last element that it reaches.
    std::uint64_t last = offset < 0 ? stored : static_cast<std::uint64_t>(offset);
    bool contiguous = true;
    std::int64_t expected = 1;
    for (std::size_t axis = shape.size(); axis-- > 0 && bytes > 0;) {
      std::uint64_t reach = 0;
      if (strides[axis] < 0 ||
          __builtin_mul_overflow(static_cast<std::uint64_t>(shape[axis] - 1), static_cast<std::uint64_t>(strides[axis]),
                                 &reach) ||
          __builtin_add_overflow(last, reach, &last))
        last = stored;
      contiguous = contiguous && (shape[axis] == 1 || strides[axis] == expected);
      expected *= shape[axis];  // within 2^63: bytes_of_shape
    }
    if (bytes > 0 && last >= stored)
      throw WeightsError(what + ": reaches beyond its storage of " + std::to_string(stored) + " elements");
    const std::size_t begin = bytes > 0 ? static_cast<std::size_t>(offset) * size : 0;
    if (contiguous) {
      vouched_.take(bytes, what);
      return result_.add({std::move(name), storage.element, shape, all.subspan(begin, static_cast<std::size_t>(bytes))});
    }
    if (bytes > file_.size() || gathered_ > file_.size() - bytes)
      throw WeightsError(what + ": views of storages that are larger than the file altogether; save contiguous tensors");
    gathered_ += bytes;
    result_.add({std::move(name), storage.element, shape, result_.keep(gather(all.subspan(begin), size, shape, strides))});
  }

  ByteSpan bytes_of_storage(const Value& key) {
    const std::string name = root_ + "data/" + std::string(text_of(key.bytes));
    const ZipReader::Entry* entry = zip_.find(name);
    if (!entry) broken("has no " + printable(name) + ", which a tensor lies in");
    const auto known = storages_.find(name);
    return known != storages_.end() ? known->second : storages_.emplace(name, zip_.read(*entry)).first->second;
  }

  std::string where_, root_;  // root: "archive/"
  TensorFile result_;
  ByteSpan file_;
  ZipReader zip_;
  Vouched vouched_;
  std::map<std::string, ByteSpan> storages_;
  std::uint64_t gathered_ = 0;
};

// ---- writing pickles -----------------------------------------------------------------------------------------------------

// Opcodes of protocol 2 with their arguments.
class PickleText {
 public:
  PickleText& op(std::string_view bytes) {
    text += bytes;
    return *this;
  }
  PickleText& name(std::string_view module, std::string_view attribute) {
    return op("c").op(module).op("\n").op(attribute).op("\n");
  }
  PickleText& word(std::string_view utf8) {
    op("X").little_endian(utf8.size(), 4);
    return op(utf8);
  }
  PickleText& integer(std::int64_t number) {
    op(std::string_view("\x8a\x08", 2)).little_endian(static_cast<std::uint64_t>(number), 8);
    return *this;
  }
  PickleText& tuple(const std::vector<std::int64_t>& numbers) {
    op("(");
    for (const std::int64_t number : numbers) integer(number);
    return op("t");
  }
  void little_endian(std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  }
  std::string text = "\x80\x02";
};

}  // namespace

TensorFile parse_torch(Bytes file, const std::string& where) { return TorchReader(std::move(file), where).run(); }

TensorFile parse_paddle(Bytes bytes, const std::string& where) {
  TensorFile file(where, TensorNames::paddle);
  const std::uint64_t size = bytes.size();
  Pickle pickle = Pickle::decode(file.keep(std::move(bytes)), where, Pickle::For::weights);
  Vouched vouched(size);
  const Value& root = pickle[pickle.root()];
  if (root.kind != Kind::dict) throw WeightsError(where + ": holds a " + name_of(root.kind) + ", not a state dict");
  if (pickle.find(root, "UnpackBigParamInfor@@"))
    throw WeightsError(where + ": has parameters in several slices; save it with protocol 4");
  for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const Value &key = pickle[root.items[i]], *value = &pickle[root.items[i + 1]];
    // A tensor may come with the name that Paddle gave it: (name, array).
    if (value->kind == Kind::tuple && value->items.size() == 2 && pickle[value->items[0]].kind == Kind::text)
      value = &pickle[value->items[1]];
    if (value->kind != Kind::array) continue;  // StructuredToParameterName@@, counters
    if (key.kind != Kind::text) throw WeightsError(where + ": has an array whose name is no text");
    const std::string name(text_of(key.bytes));
    const std::string what = where + ": tensor " + printable(name);
    std::vector<std::int64_t> shape = numbers_of(pickle, value->items, what);
    ByteSpan elements = value->bytes;
    vouched.take(elements.size(), what);
    if (value->column_major && shape.size() > 1)
      elements = file.keep(to_row_major(elements, size_of(value->element), shape));
    file.add({name, value->element, std::move(shape), elements});
  }
  if (file.tensors().empty()) throw WeightsError(where + ": holds no arrays: not what paddle.save writes of a state dict");
  for (Bytes& decoded : pickle.release()) file.keep(std::move(decoded));
  return file;
}

ZipWriter encode_torch(std::span<const TensorEntry> tensors) {
  constexpr std::pair<ElementType, std::string_view> storages[] = {
      {ElementType::f64, "DoubleStorage"},  {ElementType::f32, "FloatStorage"},     {ElementType::f16, "HalfStorage"},
      {ElementType::i64, "LongStorage"},    {ElementType::bf16, "BFloat16Storage"}, {ElementType::i32, "IntStorage"},
      {ElementType::i16, "ShortStorage"},   {ElementType::i8, "CharStorage"},       {ElementType::u8, "ByteStorage"},
      {ElementType::boolean, "BoolStorage"}};
  PickleText pickle;
  pickle.name("collections", "OrderedDict").op(")R(");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorEntry& tensor = tensors[i];
    const auto* storage =
        std::find_if(std::begin(storages), std::end(storages), [&](const auto& s) { return s.first == tensor.dtype; });
    if (storage == std::end(storages))
      throw WeightsError("tensor " + printable(tensor.name) + ": PyTorch's files have no " +
                         std::string(word_of(tensor.dtype)));
    std::vector<std::int64_t> strides(tensor.shape.size());
    std::int64_t stride = 1;
    for (std::size_t axis = tensor.shape.size(); axis-- > 0; stride *= tensor.shape[axis]) strides[axis] = stride;
    pickle.word(tensor.name).name("torch._utils", "_rebuild_tensor_v2").op("((");
    pickle.word("storage").name("torch", storage->second).word(std::to_string(i)).word("cpu").integer(tensor.count());
    pickle.op("tQ").integer(0).tuple(tensor.shape).tuple(strides).op("\x89");
    pickle.name("collections", "OrderedDict").op(")RtR");
  }
  pickle.op("u.");

  ZipWriter zip;
  zip.add("archive/data.pkl", std::move(pickle.text));
  zip.add("archive/byteorder", std::string("little"));
  for (std::size_t i = 0; i < tensors.size(); ++i) zip.add("archive/data/" + std::to_string(i), tensors[i].bytes);
  zip.add("archive/version", std::string("3\n"));
  return zip;
}

Bytes encode_paddle(std::span<const TensorEntry> tensors) {
  // As Python 3 writes protocol 2, but for bytes, which take protocol 3's opcode.
  PickleText pickle;
  pickle.text = "\x80\x03";
  pickle.op("}(");
  for (const TensorEntry& tensor : tensors) {
    const std::string_view type = numpy_word(tensor.dtype);
    if (type.empty())
      throw WeightsError("tensor " + printable(tensor.name) + ": NumPy has no " + std::string(word_of(tensor.dtype)));
    pickle.word(tensor.name).name("numpy.core.multiarray", "_reconstruct").name("numpy", "ndarray");
    pickle.tuple({0})
        .op(std::string_view("C\x01"
                             "b\x87R",
                             5))
        .op("(")
        .integer(1)
        .tuple(tensor.shape);
    pickle.name("numpy", "dtype").word(type).op("\x89\x88\x87R(").integer(3).word(size_of(tensor.dtype) == 1 ? "|" : "<");
    pickle.op("NNN").integer(-1).integer(-1).integer(0).op("tb\x89");
    if (tensor.bytes.size() > 0xffffffffu)
      throw WeightsError("tensor " + printable(tensor.name) + ": is of 4 GiB or more; take .safetensors");
    pickle.op("B").little_endian(tensor.bytes.size(), 4);
    pickle.op(text_of(tensor.bytes)).op("tb");
  }
  pickle.op("u.");
  const ByteSpan bytes = bytes_of(pickle.text);
  return {bytes.begin(), bytes.end()};
}

}  // namespace tessera
