#include "engine/run/console.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/core/foreign_text.h"
#include "engine/report/text.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr double seconds_between_draws = 0.1;

void print(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json to_json(const Evaluation& e) {
  return {{"accuracy", number(e.accuracy)}, {"top-5", number(e.top5)}, {"loss", number(e.loss)}};
}

std::string scores(const Evaluation& e, const std::string& prefix, bool top5, int decimals) {
  return prefix + "loss " + format_fixed(e.loss, decimals) + "  " + prefix + "accuracy " +
         format_fixed(e.accuracy, decimals) + (top5 ? "  " + prefix + "top-5 " + format_fixed(e.top5, decimals) : "");
}

// "epoch 4/30  step 3000/18750", both counted from 0.
std::string step_of(const Fit& fit, std::int64_t epoch, std::int64_t step) {
  return "epoch " + std::to_string(epoch) + "/" + std::to_string(fit.plan().epochs) + "  step " + std::to_string(step) +
         "/" + std::to_string(fit.total_steps());
}

}  // namespace

Console::Console(Verbosity verbosity, bool output_taken)
    : verbosity_(verbosity),
      interactive_(verbosity == Verbosity::normal && isatty(STDERR_FILENO) == 1),
      results_(output_taken ? stderr : stdout) {}

void Console::note(const std::string& line) const {
  if (verbosity_ != Verbosity::quiet) print(stderr, escaped(line, Keep::lines) + "\n");
}
void Console::warn(const std::string& line) const { print(stderr, "warning: " + escaped(line, Keep::lines) + "\n"); }
void Console::result(const std::string& line) const {
  if (verbosity_ != Verbosity::json) print(results_, escaped(line, Keep::lines) + "\n");
}
void Console::object(const std::string& json) const {
  if (verbosity_ == Verbosity::json) print(results_, escaped(json, Keep::json) + "\n");
}

void ConsoleProgress::on_start(const Fit& fit) { shown_best_ = fit.host_state().best.value_or(0); }

void ConsoleProgress::clear_line() {
  if (drawn_) print(stderr, "\r\033[K");
  drawn_ = false;
}

void ConsoleProgress::log_step(const Fit& fit) {
  const FitState& state = fit.host_state();
  const std::int64_t step = state.step - 1;
  const double loss = fit.batch_loss();
  clear_line();
  if (console_.verbosity() == Verbosity::normal)
    console_.note(step_of(fit, state.epoch, step) + "  batch loss " + format_fixed(loss, 5));
  console_.object(step_json(state.epoch, step, loss));
}

void ConsoleProgress::on_step(const Fit& fit) {
  if (recipe_.log_every_steps > 0 && (fit.host_state().step - 1) % recipe_.log_every_steps == 0) log_step(fit);
  if (!console_.interactive()) return;
  const auto now = Clock::now();
  if (std::chrono::duration<double>(now - last_draw_).count() < seconds_between_draws) return;
  last_draw_ = now;

  const FitState& state = fit.host_state();
  const Evaluation running = fit.running();
  const double per_step = fit.session_seconds() / static_cast<double>(std::max<std::int64_t>(fit.session_steps(), 1));
  double left = per_step * static_cast<double>(fit.total_steps() - state.step);
  if (fit.plan().max_seconds > 0) left = std::min(left, fit.plan().max_seconds - fit.session_seconds());
  const std::int64_t in_epoch = (state.position + fit.plan().batch_size - 1) / fit.plan().batch_size;
  const std::string line = "epoch " + std::to_string(state.epoch + 1) + "/" + std::to_string(fit.plan().epochs) + " " +
                           progress_bar(state.position, fit.samples(), 24) + " " + std::to_string(in_epoch) + "/" +
                           std::to_string(fit.steps_per_epoch()) + "  loss " + format_fixed(running.loss, 4) +
                           "  accuracy " + format_fixed(running.accuracy, 4) + "  " +
                           format_fixed(static_cast<double>(fit.plan().batch_size) / per_step, 0) + " images/s  ETA " +
                           format_duration(left);
  print(stderr, "\r" + line + "\033[K");
  drawn_ = true;
}

void ConsoleProgress::on_evaluation(const Fit& fit, const HistoryRow& row) {
  clear_line();
  if (const std::int64_t skipped = fit.skipped_steps(); skipped > shown_skips_) {
    console_.warn(with_thousands(skipped - shown_skips_) + " steps had non-finite gradients and were skipped");
    shown_skips_ = skipped;
  }
  const bool by_steps = fit.plan().evaluate_every_steps > 0;
  const int decimals = by_steps ? 5 : 4;
  std::string line = by_steps ? step_of(fit, row.epoch - 1, row.step - 1)
                              : "epoch " + std::to_string(row.epoch) + "/" + std::to_string(fit.plan().epochs);
  line += "  " + scores(row.train, "", recipe_.top5, decimals);
  if (recipe_.last_batch_loss) line += "  last batch " + format_fixed(fit.batch_loss(), 4);
  if (row.validation) line += "  " + scores(*row.validation, "val ", recipe_.top5, decimals);
  line += "  " + format_duration(row.seconds) + "  " + format_fixed(row.images_per_second, 0) + " images/s";
  if (console_.verbosity() == Verbosity::normal) console_.note(line);
  console_.object(row_json(row, recipe_.top5));
}

void ConsoleProgress::on_best(const Fit& fit) {
  const std::optional<double>& best = fit.host_state().best;
  if (fit.plan().best != BestRule::highest_validation_accuracy || !best) return;
  if (console_.verbosity() == Verbosity::normal)
    console_.note("best validation accuracy " + format_fixed(shown_best_, 5) + " → " + format_fixed(*best, 5));
  shown_best_ = *best;
}

void ConsoleProgress::on_end(const Fit&, FitEnd) { clear_line(); }

std::string step_json(std::int64_t epoch, std::int64_t step, double loss) {
  return Json{{"event", "step"}, {"epoch", epoch}, {"step", step}, {"loss", number(loss)}}.dump();
}

std::string row_json(const HistoryRow& row, bool top5) {
  Json json = {
      {"event", "epoch"}, {"epoch", row.epoch}, {"accuracy", number(row.train.accuracy)}, {"loss", number(row.train.loss)}};
  if (row.validation) {
    json["val_accuracy"] = number(row.validation->accuracy);
    json["val_loss"] = number(row.validation->loss);
  }
  if (top5) {
    json["top5"] = number(row.train.top5);
    if (row.validation) json["val_top5"] = number(row.validation->top5);
  }
  json["lr"] = row.learning_rate;
  json["seconds"] = row.seconds;
  json["images_per_second"] = row.images_per_second;
  json["step"] = row.step;
  return json.dump();
}

std::string evaluation_json(const Evaluation& e) { return to_json(e).dump(); }

std::string evaluation_json(const Evaluation& e, const Confusion& confusion) {
  Json json = to_json(e), classes = Json::object(), matrix = Json::array();
  for (std::size_t i = 0; i < confusion.classes().size(); ++i) {
    classes[confusion.classes()[i]] = confusion.accuracy(i);
    Json row = Json::array();
    for (std::size_t j = 0; j < confusion.columns(); ++j) row.push_back(confusion.count(i, j));
    matrix.push_back(row);
  }
  json["classes"] = classes;
  json["confusion"] = matrix;
  return json.dump();
}

}  // namespace tessera
