#include "engine/run/json_fields.h"

#include "engine/files/csv.h"

namespace tessera {

Json parse_json_object(std::string_view text, const std::string& where) {
  constexpr int deepest = 32;
  try {
    Json json = Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
      if (depth > deepest) throw WeightsError(where + ": nested too deeply");
      return true;
    });
    if (!json.is_object()) throw WeightsError(where + ": not a JSON object");
    return json;
  } catch (const Json::parse_error& error) {
    throw WeightsError(where + ": not JSON at byte " + std::to_string(error.byte));
  } catch (const Json::out_of_range&) {
    throw WeightsError(where + ": holds a number beyond what a double can");
  }
}

Json json_number(double value) { return std::isfinite(value) ? Json(value) : Json(csv_number(value)); }

void JsonPlace::fail(const std::string& problem) const {
  const std::string value = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  throw WeightsError(where + ": " + key + " " + problem + ", not " +
                     (value.size() > 60 ? value.substr(0, 60) + "…" : value));
}

JsonPlace JsonPlace::at(const std::string& name) const {
  const std::string path = key.empty() ? name : key + "." + name;
  if (!json.is_object()) fail("must be an object");
  const auto found = json.find(name);
  if (found == json.end()) throw WeightsError(where + ": " + path + " is missing");
  return {*found, where, path};
}

JsonPlace JsonPlace::at(std::size_t index, std::size_t size) const {
  if (!json.is_array() || json.size() != size) fail("must be a list of " + std::to_string(size));
  return {json[index], where, key + "[" + std::to_string(index) + "]"};
}

bool JsonPlace::boolean() const {
  if (!json.is_boolean()) fail("must be true or false");
  return json.get<bool>();
}

std::int64_t JsonPlace::whole(const FieldNote& note) const {
  if (!json.is_number_integer()) fail("must be a whole number");
  const bool huge = json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{INT64_MAX};
  const std::int64_t value = huge ? INT64_MAX : json.get<std::int64_t>();
  if (const std::string problem = range_problem(note, static_cast<double>(value)); huge || !problem.empty())
    fail(problem.empty() ? "must be smaller" : problem);
  return value;
}

std::uint64_t JsonPlace::natural() const {
  if (!json.is_number_unsigned()) fail("must be a whole number of at least 0");
  return json.get<std::uint64_t>();
}

double JsonPlace::number(const FieldNote& note) const {
  if (!json.is_number()) fail("must be a number");
  const double value = json.get<double>();
  if (const std::string problem = range_problem(note, value); !problem.empty()) fail(problem);
  return value;
}

double JsonPlace::any_number() const {
  if (json.is_number()) return json.get<double>();
  if (json == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf" || json == "-inf") return (json == "inf" ? 1 : -1) * std::numeric_limits<double>::infinity();
  fail("must be a number");
}

const std::string& JsonPlace::text() const {
  if (!json.is_string()) fail("must be a text");
  return json.get_ref<const std::string&>();
}

JsonReader::JsonReader(const JsonPlace& object) : object_(object) {
  if (!object.json.is_object()) object.fail("must be an object");
}

void JsonReader::finish() const {
  for (const auto& [name, value] : object_.json.items())
    if (!read_.contains(name))
      throw WeightsError(object_.where + ": " + (object_.key.empty() ? "" : object_.key + ".") + printable(name) +
                         " is a field that this version of Tessera does not know; use the version that wrote it");
}

}  // namespace tessera
