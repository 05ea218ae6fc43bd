#include "engine/data/cifar_python.h"

#include "engine/core/error.h"
#include "engine/files/pickle.h"

namespace tessera {

ImageSet parse_cifar_python(ByteSpan file, const cifar::Set& format, const cifar::Labels& labels, const std::string& where) {
  const Pickle pickle = Pickle::decode(file, where);
  const Pickle::Value& data = pickle.at("data", Pickle::Kind::array);
  const Pickle::Value& list = pickle.at(labels.key, Pickle::Kind::list);
  if (data.items.size() != 2 || pickle[data.items[1]].integer != cifar::image_bytes || pickle[data.items[0]].integer == 0)
    throw DataError(where + ": 'data' is not an array of rows of 3072 bytes; the file is not " + format.name);
  const std::int64_t count = pickle[data.items[0]].integer;
  if (static_cast<std::int64_t>(list.items.size()) != count)
    throw DataError(where + ": " + std::to_string(list.items.size()) + " labels for " + std::to_string(count) + " images");

  ImageSet set = cifar::empty_set();
  cifar::reserve(set, count);
  for (std::int64_t i = 0; i < count; ++i) {
    const Pickle::Value& label = pickle[list.items[static_cast<std::size_t>(i)]];
    if (label.kind != Pickle::Kind::integer || label.integer < 0 || label.integer >= labels.classes)
      throw DataError(where + ": label " + std::to_string(i) + " is " +
                      (label.kind == Pickle::Kind::integer ? std::to_string(label.integer) : name_of(label.kind)) +
                      ", not a number from 0 to " + std::to_string(labels.classes - 1) + "; the file is damaged or not " +
                      format.name + ", fetch it again");
    cifar::append(set, static_cast<std::int32_t>(label.integer),
                  reinterpret_cast<const std::uint8_t*>(data.bytes.data()) + i * cifar::image_bytes);
  }
  return set;
}

std::vector<std::string> parse_cifar_python_names(ByteSpan file, const cifar::Labels& labels, const std::string& where) {
  const Pickle pickle = Pickle::decode(file, where);
  std::vector<std::string> names;
  for (const Pickle::Ref ref : pickle.at(labels.names_key, Pickle::Kind::list).items) {
    if (pickle[ref].kind != Pickle::Kind::text) throw DataError(where + ": a class name that is no text");
    names.emplace_back(text_of(pickle[ref].bytes));
  }
  return names;
}

}  // namespace tessera
