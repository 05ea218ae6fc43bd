#include "engine/run/report_file.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "engine/files/io.h"
#include "engine/image/channels.h"
#include "engine/report/heat_map.h"
#include "engine/report/png.h"
#include "engine/report/text.h"
#include "engine/run/json_fields.h"
#include "kernels/errors.h"

namespace tessera {
namespace {

std::string percent(double value) { return std::isfinite(value) ? format_fixed(100 * value, 2) + " %" : "–"; }
std::string loss_text(double value) { return std::isfinite(value) ? format_fixed(value, 4) : "–"; }
std::string plural(std::int64_t count, const std::string& noun) {
  return with_thousands(count) + " " + noun + (count == 1 ? "" : "s");
}

ReportScores scores_of(const Evaluation& e) { return {.loss = e.loss, .accuracy = e.accuracy, .top5 = e.top5}; }

std::string value_text(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_string()) return value.get<std::string>();
  std::string list;
  if (value.is_object())
    for (const auto& [key, item] : value.items()) list += (list.empty() ? "" : ", ") + key + " " + value_text(item);
  if (value.is_array())
    for (const Json& item : value) list += (list.empty() ? "" : item.is_object() ? "; " : ", ") + value_text(item);
  if (value.is_structured()) return list;
  return value.is_number_float() ? csv_number(value.get<double>()) : value.dump();
}

// config.json as tables: one per object in it, so that nothing of it can be forgotten here. What was not asked
// for is left out.
void add_tables(const std::string& title, const Json& object, std::vector<ReportTable>& tables) {
  const std::size_t at = tables.size();
  tables.push_back({title, {}});
  for (const auto& [key, value] : object.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    if (value.is_object()) {
      name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
      add_tables(name, value, tables);
    } else if (const std::string text = value_text(value); !text.empty()) {
      tables[at].rows.emplace_back(name, text);
    }
  }
}

std::string date() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", std::localtime(&now));
  return text;
}

}  // namespace

RunReport::RunReport(std::filesystem::path file, RunConfig config, const ParameterStore& parameters)
    : file_(std::move(file)), config_(std::move(config)), parameters_(parameters) {}

void RunReport::add_training(const Fit& fit, FitEnd end) {
  const FitState& state = fit.host_state();
  history_ = state.history;
  steps_per_epoch_ = static_cast<double>(fit.steps_per_epoch());
  steps_ = state.step;
  total_steps_ = fit.total_steps();
  skipped_ = fit.skipped_steps();
  samples_ = fit.samples();
  session_seconds_ += fit.session_seconds();
  stopped_ = end == FitEnd::stopped;
}

std::function<void(const Tensor&, const Tensor&)> RunReport::watch(const ImageSet& images, std::string kind,
                                                                   const std::vector<std::string>& classes) {
  images_ = &images;
  kind_ = std::move(kind);
  confusion_.emplace(classes);
  return [this](const Tensor& logits, const Tensor& labels) {
    const std::vector<float> values = logits.to_host<float>();
    const std::vector<std::int32_t> truth = labels.to_host<std::int32_t>();
    confusion_->add(values, truth);
    mistakes_.add(values, truth);
  };
}

void RunReport::explain_mistakes(Network& network, const Recipe& recipe, const std::atomic<bool>* stop) {
  explanations_.reset();
  std::vector<std::int64_t> places;
  std::vector<std::int32_t> classes;
  for (const Mistake& mistake : mistakes_.surest()) places.push_back(mistake.image), classes.push_back(mistake.predicted);
  if (places.empty()) return;
  try {
    explanations_ = explain(network, pick(*images_, places), recipe.normalization, parameters_.device(), classes, {}, stop,
                            std::min<std::int64_t>(recipe.batch_size, 32));
  } catch (const UsageError&) {            // a network without maps has no places to show
  } catch (const kernels::OutOfMemory&) {  // the report is worth having without them
  }
}

void RunReport::add_evaluation(const Evaluation& result, double seconds) {
  evaluation_ = result;
  evaluation_seconds_ = seconds;
}

std::vector<ReportFigure> RunReport::figures() const {
  std::vector<ReportFigure> figures;
  const auto add_scores = [&](const std::string& of, const Evaluation& e, const std::string& note, bool top5) {
    figures.push_back({of + " accuracy", percent(e.accuracy), note});
    if (top5) figures.push_back({of + " top-5", percent(e.top5)});
    figures.push_back({of + " loss", loss_text(e.loss)});
  };
  if (evaluation_) {
    const std::string views = evaluation_->one_view ? ", six views" : "";
    add_scores(kind_, *evaluation_, plural(evaluation_->samples, "image") + views, confusion_->classes().size() > 5);
    if (evaluation_->one_view) figures.push_back({kind_ + " accuracy", percent(*evaluation_->one_view), "one view"});
  } else if (!history_.empty()) {
    const HistoryRow& last = history_.back();
    add_scores(last.validation ? "validation" : "training", last.validation ? *last.validation : last.train, "last epoch",
               config_.recipe.top5);
  }
  if (average_) figures.push_back({kind_ + " accuracy", percent(average_->accuracy), "averaged weights"});
  double seconds = 0, images = 0;
  for (const HistoryRow& row : history_) {
    seconds += row.seconds;
    images += static_cast<double>(row.train.samples);
  }
  figures.push_back({"epochs",
                     format_fixed(static_cast<double>(steps_) / steps_per_epoch_,
                                  std::fmod(static_cast<double>(steps_), steps_per_epoch_) == 0 ? 0 : 2),
                     plural(steps_, "step")});
  if (seconds > 0) {
    figures.push_back({"training time", format_duration(seconds)});
    figures.push_back({"images/s", with_thousands(std::llround(images / seconds)), "in training"});
  }
  figures.push_back({"parameters", with_thousands(parameters_.trainable_count() + parameters_.non_trainable_count()),
                     with_thousands(parameters_.trainable_count()) + " trainable"});
  return figures;
}

std::vector<ReportTable> RunReport::tables() const {
  std::vector<ReportTable> tables;
  add_tables("Run", json_of_fields(config_), tables);

  ReportTable times{"Times", {}};
  if (!history_.empty()) {
    double seconds = 0, fastest = HUGE_VAL, slowest = 0;
    for (const HistoryRow& row : history_) {
      seconds += row.seconds;
      fastest = std::min(fastest, row.seconds), slowest = std::max(slowest, row.seconds);
    }
    times.rows = {{"training steps, all epochs", format_duration(seconds)},
                  {"row of the history, fastest", format_duration(fastest)},
                  {"row of the history, slowest", format_duration(slowest)}};
  }
  times.rows.emplace_back("last session, with validation", format_duration(session_seconds_));
  if (evaluation_) times.rows.emplace_back("closing evaluation", format_duration(evaluation_seconds_));
  tables.push_back(times);

  tables.push_back({"Machine and program",
                    {{"device", parameters_.device()->choice()},
                     {"Tessera", TESSERA_VERSION},
                     {"compiler", __VERSION__},
                     {"training images", with_thousands(samples_)},
                     {"steps without finite gradients", with_thousands(skipped_)}}});
  return tables;
}

void RunReport::write() const {
  ReportData data{.title = config_.network,
                  .subtitle = "Recipe " + config_.recipe.id + " on " + config_.data + ", " + date()};
  if (stopped_)
    data.notice = "Stopped at step " + with_thousands(steps_) + " of " + with_thousands(total_steps_) +
                  ". This is what there is so far.";
  data.figures = figures();
  data.top5 = config_.recipe.top5;
  for (const HistoryRow& row : history_) {
    ReportRow r{.epoch = static_cast<double>(row.step) / steps_per_epoch_,
                .train = scores_of(row.train),
                .learning_rate = row.learning_rate,
                .seconds = row.seconds,
                .images_per_second = row.images_per_second};
    if (row.validation) r.validation = scores_of(*row.validation);
    data.history.push_back(r);
  }

  if (evaluation_) {
    data.evaluated = with_thousands(evaluation_->samples) + " " + kind_ + " images";
    data.confusion = confusion_;
    data.mistake_count = mistakes_.count();
    const auto name = [&](std::int32_t label) {
      const auto& classes = confusion_->classes();
      return static_cast<std::size_t>(label) < classes.size() ? classes[static_cast<std::size_t>(label)]
                                                              : "output " + std::to_string(label);
    };
    for (const Mistake& m : mistakes_.surest()) {
      const std::vector<std::uint8_t> pixels = with_channels(images_->image(m.image), images_->channels, 3);
      ReportMistake& shown = data.mistakes.emplace_back();
      shown = {.label = name(m.label),
               .predicted = name(m.predicted),
               .probability = m.probability(),
               .image = png_data_uri(images_->width, images_->height, pixels),
               .index = m.image};
      if (!explanations_) continue;
      const Picture heat = heated({images_->width, images_->height, pixels}, std::max<std::int64_t>(1, 64 / images_->width),
                                  {explanations_->rows, explanations_->columns,
                                   explanations_->of(static_cast<std::int64_t>(data.mistakes.size()) - 1)});
      shown.heat = png_data_uri(heat.width, heat.height, heat.rgb);
    }
  }

  if (!parameters_.parameters().empty()) {
    const Parameter& first = *parameters_.parameters().front();
    const Shape& shape = first.shape();
    if (shape.rank == 4 && (shape[3] == 1 || shape[3] == 3)) {
      data.filters = filter_images(first.value().to_host<float>(), shape[0], shape[1], shape[2], shape[3]);
      data.filters_note = plural(shape[0], "filter") + " of " + std::to_string(shape[1]) + " × " + std::to_string(shape[2]) +
                          " pixels (" + first.path() + "), each scaled by itself; grey is zero.";
    }
  }
  data.tables = tables();
  data.footer = "Tessera " TESSERA_VERSION;
  const std::string html = report_html(data);
  write_file_atomically(file_, bytes_of(html), ExitCode::weights);
}

}  // namespace tessera
