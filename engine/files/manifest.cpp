#include "engine/files/manifest.h"

#include <nlohmann/json.hpp>

namespace tessera {
namespace {

constexpr const char* format_name = "tessera-checkpoint";
constexpr int deepest_json = 32;

using Json = nlohmann::ordered_json;  // keeps the order of the keys in the caller's configuration

Json parse(const std::string& text) {
  return Json::parse(text, [](int depth, Json::parse_event_t, Json&) {
    if (depth > deepest_json) throw WeightsError("nested too deeply");
    return true;
  });
}

// Asked for as a number, 1e300 would become any: it is not one that a whole number can hold.
std::uint64_t natural(const Json& object, const char* key) {
  const Json& value = object.at(key);
  if (!value.is_number_unsigned())
    throw WeightsError(std::string("not a manifest this program understands: ") + key + " is " + value.dump().substr(0, 40) +
                       ", no whole number");
  return value.get<std::uint64_t>();
}

}  // namespace

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 100 && name[0] != '.' && name.find_first_of(std::string("/\0", 2)) == name.npos &&
         name != "manifest.json" && name != "manifest.sha256";
}

std::string to_json(const Manifest& manifest) {
  Json json = {{"format", format_name}, {"version", Manifest::version}, {"step", manifest.step}};
  try {
    json["config"] = parse(manifest.config);
    if (!json["config"].is_object()) throw WeightsError("not an object");
  } catch (const WeightsError& e) {
    throw WeightsError(std::string("[checkpoint] the configuration must be a JSON object: ") + e.what());
  } catch (const nlohmann::json::exception& e) {
    throw WeightsError(std::string("[checkpoint] the configuration must be a JSON object: ") + e.what());
  }
  json["files"] = Json::object();
  for (const auto& [name, entry] : manifest.files) json["files"][name] = {{"size", entry.size}, {"sha256", entry.sha256}};
  return json.dump(1) + "\n";
}

Manifest parse_manifest(const std::string& text, const std::string& where) {
  try {
    const Json json = parse(text);
    if (json.at("format") != format_name) throw WeightsError("is not a checkpoint's manifest");
    if (json.at("version") != Manifest::version)
      throw WeightsError("has format version " + json.at("version").dump() + "; this program reads version " +
                         std::to_string(Manifest::version) + ", use the one that wrote it");
    Manifest manifest;
    manifest.step = static_cast<std::int64_t>(natural(json, "step"));
    if (manifest.step < 0) throw WeightsError("has a step that no run takes: " + json.at("step").dump());
    manifest.config = json.at("config").dump();
    for (const auto& [name, entry] : json.at("files").items()) {
      if (!is_plain_name(name)) throw WeightsError("lists " + printable(name) + ", which is no plain file name");
      manifest.files[name] = {natural(entry, "size"), entry.at("sha256").get<std::string>()};
    }
    return manifest;
  } catch (const WeightsError& e) {
    throw WeightsError(where + ": " + e.what());
  } catch (const nlohmann::json::exception& e) {
    throw WeightsError(where + ": not a manifest this program understands: " + e.what());
  }
}

}  // namespace tessera
