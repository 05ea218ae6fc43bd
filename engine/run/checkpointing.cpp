#include "engine/run/checkpointing.h"

#include "engine/run/json_fields.h"
#include "engine/run/weights.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* weights_file = "weights.safetensors";
constexpr const char* optimizer_file = "optimizer.safetensors";
constexpr const char* average_file = "average.safetensors";
constexpr const char* state_file = "state.json";

constexpr FieldNote counter{.least = 0, .most = 1e15};

Json to_json(const Evaluation& e) { return {json_number(e.loss), json_number(e.accuracy), json_number(e.top5), e.samples}; }
Evaluation evaluation_of(const JsonPlace& j) {
  return {j.at(0, 4).any_number(), j.at(1, 4).any_number(), j.at(2, 4).any_number(), j.at(3, 4).whole(counter)};
}

Json to_json(const HistoryRow& r) {
  return {{"epoch", r.epoch},
          {"train", to_json(r.train)},
          {"validation", r.validation ? to_json(*r.validation) : Json(nullptr)},
          {"average", r.average ? to_json(*r.average) : Json(nullptr)},
          {"learning_rate", r.learning_rate},
          {"seconds", r.seconds},
          {"images_per_second", r.images_per_second},
          {"step", r.step}};
}

HistoryRow row_of(const JsonPlace& j) {
  HistoryRow row{.epoch = j.at("epoch").whole({.least = 1, .most = 1e12}), .train = evaluation_of(j.at("train"))};
  if (!j.at("validation").json.is_null()) row.validation = evaluation_of(j.at("validation"));
  if (j.json.contains("average") && !j.at("average").json.is_null()) row.average = evaluation_of(j.at("average"));
  row.learning_rate = j.at("learning_rate").number({.least = 0});
  row.seconds = j.at("seconds").number({.least = 0});
  row.images_per_second = j.at("images_per_second").number({.least = 0});
  row.step = j.at("step").whole(counter);
  return row;
}

std::string state_json(const FitState& s, const DataDigests& data) {
  // A row at a time: a document of them all takes ten times the memory of its text, at every checkpoint of a long run.
  std::string history;
  for (const HistoryRow& row : s.history) history += (history.empty() ? "\n  " : ",\n  ") + to_json(row).dump();
  const kernels::Metrics& m = s.metrics;
  const Json json = {
      {"epoch", s.epoch},
      {"position", s.position},
      {"step", s.step},
      {"seconds", s.seconds},
      {"row_seconds", s.row_seconds},
      {"metrics", {json_number(m.loss_sum), json_number(m.batch_loss_sum), m.correct, m.correct_top5, m.samples, m.batches}},
      {"guard", {s.guard.skip, s.guard.consecutive, s.guard.skipped}},
      {"best", s.best ? json_number(*s.best) : Json(nullptr)},
      {"pace", json_of(s.pace)},
      {"data", {{"train", data.train}, {"validation", data.validation}, {"test", data.test}}}};
  const std::string text = json.dump(1);
  return text.substr(0, text.rfind("\n}")) + ",\n \"history\": [" + history + "]\n}\n";
}

Resumed state_of(std::string_view text, std::int64_t step, const std::string& where) {
  const Json json = parse_json_object(text, where);
  const JsonPlace j{json, where, ""};
  Resumed resumed;
  FitState& s = resumed.state;
  s.epoch = j.at("epoch").whole({.least = 0, .most = 1e12});
  s.position = j.at("position").whole(counter);
  s.step = j.at("step").whole(counter);
  if (s.step != step) j.at("step").fail("must be " + std::to_string(step) + ", the checkpoint's");
  if (s.step < s.epoch + (s.position > 0)) j.at("step").fail("must be at least one for each epoch begun");
  s.row_seconds = j.at("row_seconds").number({.least = 0});
  if (json.contains("seconds")) s.seconds = j.at("seconds").number({.least = 0});  // not in versions before 0.3
  if (json.contains("pace")) read_json(j.at("pace"), s.pace);
  const JsonPlace m = j.at("metrics");
  const auto sum = [&](std::size_t i) { return m.at(i, 6).number({.least = 0}); };
  s.metrics = {m.at(0, 6).any_number(), m.at(1, 6).any_number(), sum(2), sum(3), sum(4), sum(5)};
  const JsonPlace g = j.at("guard");
  s.guard = {static_cast<std::int32_t>(g.at(0, 3).whole({.least = 0, .most = 1})),
             static_cast<std::int32_t>(g.at(1, 3).whole({.least = 0, .most = 1e9})), g.at(2, 3).whole(counter)};
  if (!j.at("best").json.is_null()) s.best = j.at("best").number({});
  const JsonPlace history = j.at("history");
  if (!history.json.is_array()) history.fail("must be a list");
  for (std::size_t i = 0; i < history.json.size(); ++i) s.history.push_back(row_of(history.at(i, history.json.size())));
  if (json.contains("data")) {
    const JsonPlace data = j.at("data");
    resumed.data = {data.at("train").text(), data.at("validation").text(), data.at("test").text()};
  }
  return resumed;
}

// Calls visit(name in the file, slice of the flat tensor) for every parameter in every part of the optimiser's memory.
template <class Visit>
void for_each_memory(const ParameterStore& parameters, const std::map<std::string, Tensor>& memory, Visit&& visit) {
  for (const auto& [part, flat] : memory)
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

std::string place_in(const Checkpoint& checkpoint, const char* name) {
  return "checkpoint of step " + std::to_string(checkpoint.step) + ", " + name;
}

Safetensors part_of(const Checkpoint& checkpoint, const char* name) {
  return Safetensors::parse(file_of(checkpoint, name), place_in(checkpoint, name));
}

}  // namespace

CheckpointWriter::CheckpointWriter(CheckpointStore& store, const ParameterStore& parameters, std::string config,
                                   std::function<DataDigests()> data, std::atomic<bool>* save, double interval_seconds)
    : store_(store),
      parameters_(parameters),
      config_(std::move(config)),
      data_(std::move(data)),
      save_(save),
      interval_seconds_(interval_seconds) {}

void CheckpointWriter::on_start(const Fit&) { last_ = Clock::now(); }

void CheckpointWriter::on_step(const Fit& fit) {
  bool due =
      (save_ && save_->exchange(false)) || std::chrono::duration<double>(Clock::now() - last_).count() >= interval_seconds_;
  if (fit.shares_optimizer()) broadcast(*fit.limits().ranks, due);
  if (due) write(fit);
}

void CheckpointPart::on_step(const Fit& fit) {
  bool due = false;
  broadcast(*fit.limits().ranks, due);
  if (due) give(fit);
}

void CheckpointWriter::write(const Fit& fit) {
  if (!digests_) digests_ = data_();
  HostTensors memory;
  for_each_memory(parameters_, fit.optimizer_memory(),
                  [&](std::string name, const Tensor& t) { memory.add(std::move(name), t, false); });
  const FitState state = fit.state();
  const std::string text = state_json(state, *digests_);
  Checkpoint checkpoint{.step = state.step, .config = config_, .files = {}};
  checkpoint.files[weights_file] = encode(host_weights(parameters_), "weights");
  if (fit.average()) {
    const WeightAverage::InUse averaged(*fit.average());
    checkpoint.files[average_file] = encode(host_weights(parameters_), "averaged weights");
  }
  checkpoint.files[optimizer_file] = encode(memory, "optimiser");
  checkpoint.files[state_file] = Bytes(bytes_of(text).begin(), bytes_of(text).end());
  store_.write(checkpoint);
  last_ = Clock::now();
}

void require_checkpoint_of(Network& network, const Checkpoint& checkpoint) {
  require_weights_of(network, part_of(checkpoint, weights_file));
}

Resumed restore(const Checkpoint& checkpoint, ParameterStore& parameters) {
  Resumed resumed = state_of(text_of(file_of(checkpoint, state_file)), checkpoint.step, place_in(checkpoint, state_file));
  load_weights(part_of(checkpoint, weights_file), parameters);
  return resumed;
}

bool restore_average(const Checkpoint& checkpoint, ParameterStore& parameters, const WeightAverage& average) {
  if (!checkpoint.files.contains(average_file)) return false;
  const Safetensors weights = part_of(checkpoint, average_file);
  const WeightAverage::InUse averaged(average);
  load_weights(weights, parameters);
  return true;
}

bool restore_memory(const Checkpoint& checkpoint, const Optimizer& optimizer) {
  const Safetensors memory = part_of(checkpoint, optimizer_file);
  std::set<std::string> parts, stored;
  for (const auto& [part, flat] : optimizer.memory()) parts.insert(part);
  for (const TensorEntry& entry : memory.tensors()) stored.insert(entry.name.substr(0, entry.name.find('/')));
  if (parts != stored) return false;
  for_each_memory(optimizer.parameters(), optimizer.memory(),
                  [&](const std::string& name, const Tensor& t) { read_tensor(memory, name, t); });
  return true;
}

}  // namespace tessera
