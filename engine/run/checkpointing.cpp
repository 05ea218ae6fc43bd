#include "engine/run/checkpointing.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/run/weights.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr const char* weights_file = "weights.safetensors";
constexpr const char* optimizer_file = "optimizer.safetensors";
constexpr const char* state_file = "state.json";

// JSON has no word for NaN and infinity, which a diverged run's sums may hold.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(csv_number(value)); }
double number_of(const Json& json) { return json.is_string() ? std::stod(json.get<std::string>()) : json.get<double>(); }

Json to_json(const Evaluation& e) { return {number(e.loss), number(e.accuracy), number(e.top5), e.samples}; }
Evaluation evaluation_of(const Json& j) { return {number_of(j.at(0)), number_of(j.at(1)), number_of(j.at(2)), j.at(3)}; }

Json to_json(const HistoryRow& r) {
  return {{"epoch", r.epoch},
          {"train", to_json(r.train)},
          {"validation", r.validation ? to_json(*r.validation) : Json(nullptr)},
          {"learning_rate", r.learning_rate},
          {"seconds", r.seconds},
          {"images_per_second", r.images_per_second},
          {"step", r.step}};
}

HistoryRow row_of(const Json& j) {
  HistoryRow row{.epoch = j.at("epoch"), .train = evaluation_of(j.at("train"))};
  if (!j.at("validation").is_null()) row.validation = evaluation_of(j.at("validation"));
  row.learning_rate = j.at("learning_rate");
  row.seconds = j.at("seconds");
  row.images_per_second = j.at("images_per_second");
  row.step = j.at("step");
  return row;
}

std::string state_json(const FitState& s) {
  Json history = Json::array();
  for (const HistoryRow& row : s.history) history.push_back(to_json(row));
  const kernels::Metrics& m = s.metrics;
  const Json json = {
      {"epoch", s.epoch},
      {"position", s.position},
      {"step", s.step},
      {"row_seconds", s.row_seconds},
      {"metrics", {number(m.loss_sum), number(m.batch_loss_sum), m.correct, m.correct_top5, m.samples, m.batches}},
      {"guard", {s.guard.skip, s.guard.consecutive, s.guard.skipped}},
      {"best", s.best ? number(*s.best) : Json(nullptr)},
      {"history", history}};
  return json.dump(1) + "\n";
}

FitState state_of(const std::string& text) {
  const Json j = Json::parse(text);
  FitState s;
  s.epoch = j.at("epoch");
  s.position = j.at("position");
  s.step = j.at("step");
  s.row_seconds = j.at("row_seconds");
  const Json& m = j.at("metrics");
  s.metrics = {number_of(m.at(0)), number_of(m.at(1)), m.at(2), m.at(3), m.at(4), m.at(5)};
  const Json& g = j.at("guard");
  s.guard = {g.at(0), g.at(1), g.at(2)};
  if (!j.at("best").is_null()) s.best = number_of(j.at("best"));
  for (const Json& row : j.at("history")) s.history.push_back(row_of(row));
  return s;
}

// Calls visit(name in the file, slice of the flat tensor) for every parameter in every part of the optimiser's memory.
template <class Visit>
void for_each_memory(const ParameterStore& parameters, const Optimizer& optimizer, Visit&& visit) {
  for (const auto& [part, flat] : optimizer.memory())
    for (std::size_t i = 0; i < parameters.parameters().size(); ++i) {
      const Parameter& parameter = *parameters.parameters()[i];
      visit(part + "/" + parameter.path(), flat.slice(parameters.offset(i), parameter.shape()));
    }
}

Bytes encode(const HostTensors& host, const char* what) {
  const std::vector<TensorEntry> entries = host.entries();
  require_finite(entries, std::string("not saving a checkpoint: ") + what);
  return encode_safetensors(entries, {});
}

const Bytes& file_of(const Checkpoint& checkpoint, const char* name) {
  const auto found = checkpoint.files.find(name);
  if (found == checkpoint.files.end())
    throw WeightsError("checkpoint of step " + std::to_string(checkpoint.step) + " holds no " + name);
  return found->second;
}

}  // namespace

CheckpointWriter::CheckpointWriter(CheckpointStore& store, const ParameterStore& parameters, const Optimizer& optimizer,
                                   std::string config, double interval_seconds)
    : store_(store),
      parameters_(parameters),
      optimizer_(optimizer),
      config_(std::move(config)),
      interval_seconds_(interval_seconds) {}

void CheckpointWriter::on_start(const Fit&) { last_ = Clock::now(); }

void CheckpointWriter::on_step(const Fit& fit) {
  if (std::chrono::duration<double>(Clock::now() - last_).count() >= interval_seconds_) write(fit);
}

void CheckpointWriter::write(const Fit& fit) {
  HostTensors memory;
  for_each_memory(parameters_, optimizer_,
                  [&](std::string name, const Tensor& t) { memory.add(std::move(name), t, false); });
  const FitState state = fit.state();
  const std::string text = state_json(state);
  Checkpoint checkpoint{.step = state.step, .config = config_, .files = {}};
  checkpoint.files[weights_file] = encode(host_weights(parameters_), "weights");
  checkpoint.files[optimizer_file] = encode(memory, "optimiser");
  checkpoint.files[state_file] = Bytes(bytes_of(text).begin(), bytes_of(text).end());
  store_.write(checkpoint);
  last_state_ = text;
  last_ = Clock::now();
}

FitState restore(const Checkpoint& checkpoint, ParameterStore& parameters, const Optimizer& optimizer) {
  const std::string where = "checkpoint of step " + std::to_string(checkpoint.step) + ", ";
  load_weights(Safetensors::parse(file_of(checkpoint, weights_file), where + weights_file), parameters);
  const Safetensors memory = Safetensors::parse(file_of(checkpoint, optimizer_file), where + optimizer_file);
  for_each_memory(parameters, optimizer, [&](const std::string& name, const Tensor& t) { read_tensor(memory, name, t); });
  try {
    return state_of(std::string(text_of(file_of(checkpoint, state_file))));
  } catch (const nlohmann::json::exception& error) {
    throw WeightsError(where + state_file + ": " + error.what());
  }
}

}  // namespace tessera
