// Structs that describe their fields (engine/core/fields.h) to JSON and back. Whatever is wrong in a document is a
// WeightsError that says where: "run/config.json: recipe.batch_size must be from 1 to 16777216, not 0".
#pragma once

#include <nlohmann/json.hpp>
#include <set>

#include "engine/core/error.h"
#include "engine/core/fields.h"

namespace tessera {

using Json = nlohmann::ordered_json;

// The whole text as one JSON object; nested at most 32 deep.
Json parse_json_object(std::string_view text, const std::string& where);

// JSON has no word for NaN and infinity, which a diverged run's numbers may be: they are written as strings.
Json json_number(double value);

// ---- writing ------------------------------------------------------------------------------------------------------------

template <class T>
Json json_of(const T& value);
template <class T>
Json json_of(const std::optional<T>& value);
template <class T>
Json json_of(const std::vector<T>& values);
template <class... Options>
Json json_of(const std::variant<Options...>& options);

struct JsonWriter {
  Json json = Json::object();
  template <class T>
  void operator()(const char* name, const T& member, const FieldNote& = {}) {
    json[name] = json_of(member);
  }
};

template <class T>
Json json_of_fields(T value) {  // a copy: fields() hands out members to be changed
  JsonWriter writer;
  value.fields(writer);
  return std::move(writer.json);
}

template <class T>
Json json_of(const std::optional<T>& value) {
  return value ? json_of(*value) : Json(nullptr);
}
template <class T>
Json json_of(const std::vector<T>& values) {
  Json array = Json::array();
  for (const T& value : values) array.push_back(json_of(value));
  return array;
}
template <class... Options>
Json json_of(const std::variant<Options...>& options) {
  Json json = {{"kind", kind_of(options)}};
  json.update(std::visit([](const auto& o) { return json_of_fields(o); }, options));
  return json;
}
template <class T>
Json json_of(const T& value) {
  if constexpr (Worded<T>)
    return to_word(value);
  else if constexpr (Spelled<T>)
    return value.text();
  else if constexpr (std::is_floating_point_v<T>)
    return json_number(value);
  else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>)
    return value;
  else
    return json_of_fields(value);
}

// ---- reading ------------------------------------------------------------------------------------------------------------

// A value in a document, and where it stands, for messages.
struct JsonPlace {
  const Json& json;
  std::string where;  // of the document
  std::string key;    // "recipe.batch_size"

  [[noreturn]] void fail(const std::string& problem) const;  // "<where>: <key> <problem>, not <value>"
  JsonPlace at(const std::string& name) const;               // a member that must be there
  JsonPlace at(std::size_t index, std::size_t size) const;   // of an array of that many

  bool boolean() const;
  std::int64_t whole(const FieldNote& note) const;  // written as a whole number, in range
  std::uint64_t natural() const;                    // 0 … 2⁶⁴−1
  double number(const FieldNote& note) const;       // finite, in range
  double any_number() const;                        // NaN and infinity too: json_number
  const std::string& text() const;
};

template <class T>
void read_json(const JsonPlace& from, T& to, const FieldNote& note = {});
template <class T>
void read_json(const JsonPlace& from, std::optional<T>& to, const FieldNote& note = {});
template <class T>
void read_json(const JsonPlace& from, std::vector<T>& to, const FieldNote& note = {});
template <class... Options>
void read_json(const JsonPlace& from, std::variant<Options...>& to, const FieldNote& note = {});

// What a struct has and the object does not keeps its value; what the object has and the struct does not is an error: the
// file is of a newer version, or of somebody else.
class JsonReader {
 public:
  explicit JsonReader(const JsonPlace& object);
  template <class T>
  void operator()(const char* name, T& member, const FieldNote& note = {}) {
    read_.insert(name);
    if (object_.json.contains(name)) read_json(object_.at(name), member, note);
  }
  void finish() const;  // refuses what was not asked for

 private:
  const JsonPlace& object_;
  std::set<std::string> read_;
};

template <class T>
void read_json(const JsonPlace& from, std::optional<T>& to, const FieldNote& note) {
  if (from.json.is_null())
    to.reset();
  else
    read_json(from, to.emplace(), note);
}
template <class T>
void read_json(const JsonPlace& from, std::vector<T>& to, const FieldNote& note) {
  if (!from.json.is_array()) from.fail("must be a list");
  to.assign(from.json.size(), T{});
  for (std::size_t i = 0; i < to.size(); ++i) read_json(from.at(i, to.size()), to[i], note);
}
template <class... Options>
void read_json(const JsonPlace& from, std::variant<Options...>& to, const FieldNote&) {
  using Variant = std::variant<Options...>;
  JsonReader reader(from);
  std::string kind;
  reader("kind", kind);
  const std::optional<Variant> made = Kinds<Variant>::make(kind);
  if (!made) from.at("kind").fail("must be one of: " + Kinds<Variant>::list());
  to = *made;
  std::visit([&](auto& options) { options.fields(reader); }, to);
  reader.finish();
}
template <class T>
void read_json(const JsonPlace& from, T& to, const FieldNote& note) {
  if constexpr (Worded<T>) {
    const std::optional<T> value = from_word<T>(from.text());
    if (!value) from.fail("must be one of: " + all_words<T>());
    to = *value;
  } else if constexpr (Spelled<T>) {
    const std::optional<T> value = T::parse(from.text());
    if (!value) from.fail("means nothing here");
    to = *value;
  } else if constexpr (std::is_same_v<T, bool>) {
    to = from.boolean();
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    to = from.natural();
  } else if constexpr (std::is_integral_v<T>) {
    FieldNote held = note;  // no more than the member can hold
    held.least = std::max(held.least, static_cast<double>(std::numeric_limits<T>::min()));
    held.most = std::min(held.most, static_cast<double>(std::numeric_limits<T>::max()));
    to = static_cast<T>(from.whole(held));
  } else if constexpr (std::is_floating_point_v<T>) {
    to = static_cast<T>(from.number(note));
  } else if constexpr (std::is_same_v<T, std::string>) {
    to = from.text();
  } else {
    JsonReader reader(from);
    to.fields(reader);
    reader.finish();
  }
}

}  // namespace tessera
