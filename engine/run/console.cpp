#include "engine/run/console.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "engine/core/foreign_text.h"
#include "engine/report/text.h"
#include "engine/run/json_fields.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double seconds_between_draws = 0.1;

void print(std::FILE* stream, const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0) return;
  // Where these signals are blocked they wait for this thread alone; who waits for them elsewhere is told.
  if (errno == EPIPE) ::kill(::getpid(), SIGPIPE);
  if (errno == EFBIG) ::kill(::getpid(), SIGXFSZ);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json to_json(const Evaluation& e) {
  Json json = {{"accuracy", number(e.accuracy)}, {"top-5", number(e.top5)}, {"loss", number(e.loss)}};
  if (e.one_view) json["one view"] = number(*e.one_view);
  return json;
}

int terminal_columns() {  // asked for every line: windows change
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string scores(const Evaluation& e, const std::string& prefix, bool top5, int decimals) {
  return prefix + "loss " + format_fixed(e.loss, decimals) + "  " + prefix + "accuracy " +
         format_fixed(e.accuracy, decimals) + (top5 ? "  " + prefix + "top-5 " + format_fixed(e.top5, decimals) : "");
}

// "epoch 4/30  step 3000/18750", both counted from 0.
std::string step_of(const Fit& fit, std::int64_t epoch, std::int64_t step) {
  return "epoch " + std::to_string(epoch) + "/" + std::to_string(fit.last_epoch()) + "  step " + std::to_string(step) + "/" +
         std::to_string(fit.total_steps());
}

// Takes lines back: not so where TERM is dumb or not set, as in editors' shells.
bool is_redrawn(int descriptor) {
  const char* kind = std::getenv("TERM");
  return isatty(descriptor) == 1 && kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
}

}  // namespace

Console::Console(Verbosity verbosity, bool output_taken, Speaker speaker)
    : verbosity_(verbosity),
      speaker_(std::move(speaker)),
      interactive_(verbosity == Verbosity::normal && speaker_.name.empty() && !speaker_.silent && is_redrawn(STDERR_FILENO)),
      results_(output_taken ? stderr : stdout) {}

void Console::note(const std::string& line) const {
  if (verbosity_ != Verbosity::quiet && !speaker_.silent) print(stderr, speaker_.name + escaped(line, Keep::lines) + "\n");
}
void Console::warn(const std::string& line) const {
  if (!speaker_.silent) print(stderr, speaker_.name + "warning: " + escaped(line, Keep::lines) + "\n");
}
void Console::result(const std::string& line) const {
  if (verbosity_ != Verbosity::json && is_the_one()) print(results_, escaped(line, Keep::lines) + "\n");
}
void Console::object(const std::string& json) const {
  if (verbosity_ == Verbosity::json && is_the_one()) print(results_, escaped(json, Keep::json) + "\n");
}

std::string progress_line(const Progress& p, int columns) {
  const std::string epoch = "epoch " + std::to_string(p.epoch) + "/" + std::to_string(p.epochs),
                    step = " " + std::to_string(p.step) + "/" + std::to_string(p.steps),
                    loss = "  loss " + format_fixed(p.loss, 4), accuracy = "  accuracy " + format_fixed(p.accuracy, 4),
                    rate = "  " + format_fixed(p.images_per_second, 0) + " images/s",
                    left = "  ETA " + format_duration(p.seconds_left);
  const auto bar = [&](int width) { return " " + progress_bar(p.sample, p.samples, width); };
  for (const std::string& line :
       {epoch + bar(24) + step + loss + accuracy + rate + left, epoch + bar(12) + step + loss + accuracy + rate + left,
        epoch + bar(12) + step + loss + accuracy + left, epoch + step + loss + accuracy + left, epoch + step + loss + left,
        epoch + step + loss, epoch + loss})
    if (display_width(line) <= static_cast<std::size_t>(std::max(columns, 0))) return line;
  return epoch.substr(0, static_cast<std::size_t>(std::max(columns, 0)));
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
  if (fit.recipe().log_every_steps > 0 && (fit.host_state().step - 1) % fit.recipe().log_every_steps == 0) log_step(fit);
  if (!console_.interactive()) return;
  const auto now = Clock::now();
  if (std::chrono::duration<double>(now - last_draw_).count() < seconds_between_draws) return;
  last_draw_ = now;

  const FitState& state = fit.host_state();
  const Evaluation running = fit.running();
  const double per_step = fit.session_seconds() / static_cast<double>(std::max<std::int64_t>(fit.session_steps(), 1));
  double left = per_step * static_cast<double>(fit.total_steps() - state.step);
  if (fit.limits().max_seconds > 0) left = std::min(left, fit.limits().max_seconds - fit.seconds());
  const std::int64_t batch = fit.batch_size();
  const std::string line = progress_line({.epoch = state.epoch + 1,
                                          .epochs = fit.last_epoch(),
                                          .sample = state.position,
                                          .samples = fit.epoch_samples(),
                                          .step = (state.position + batch - 1) / batch,
                                          .steps = fit.steps_per_epoch(),
                                          .loss = running.loss,
                                          .accuracy = running.accuracy,
                                          .images_per_second = static_cast<double>(batch) / per_step,
                                          .seconds_left = left},
                                         terminal_columns() - 1);  // a full line would break
  print(stderr, "\r" + line + "\033[K");
  drawn_ = true;
}

void ConsoleProgress::warn_of_lag(const Fit& fit) {
  constexpr double worth_a_word = 0.1;
  const double lag = from_initial_ ? fit.statistics_lag() : 0;
  if (lag <= worth_a_word) return;
  from_initial_ = false;
  console_.warn("after " + with_thousands(fit.host_state().step) +
                " steps batch norm's running statistics, which evaluations use, are still " + format_fixed(100 * lag, 0) +
                " % their initial values: accuracy and loss will be worse than in training, until more steps are done");
}

void ConsoleProgress::on_evaluation(const Fit& fit, const HistoryRow& row) {
  clear_line();
  if (const std::int64_t skipped = fit.skipped_steps(); skipped > shown_skips_) {
    console_.warn(with_thousands(skipped - shown_skips_) + " steps had non-finite gradients and were skipped");
    shown_skips_ = skipped;
  }
  const bool by_steps = fit.recipe().evaluate_every_steps > 0;
  const int decimals = by_steps ? 5 : 4;
  std::string line = by_steps ? step_of(fit, row.epoch - 1, row.step - 1)
                              : "epoch " + std::to_string(row.epoch) + "/" + std::to_string(fit.last_epoch());
  line += "  " + scores(row.train, "", fit.recipe().top5, decimals);
  if (fit.recipe().last_batch_loss) line += "  last batch " + format_fixed(fit.batch_loss(), 4);
  if (row.validation) line += "  " + scores(*row.validation, "val ", fit.recipe().top5, decimals);
  if (row.average) line += "  " + scores(*row.average, "ema val ", false, decimals);
  line += "  " + format_duration(row.seconds) + "  " + format_fixed(row.images_per_second, 0) + " images/s";
  if (row.validation) warn_of_lag(fit);
  if (console_.verbosity() == Verbosity::normal) console_.note(line);
  console_.object(row_json(row, fit.recipe().top5));
}

void ConsoleProgress::on_best(const Fit& fit) {
  const std::optional<double>& best = fit.host_state().best;
  if (fit.recipe().best != BestRule::highest_validation_accuracy || !best) return;
  if (console_.verbosity() == Verbosity::normal)
    console_.note("best validation accuracy " + format_fixed(shown_best_, 5) + " → " + format_fixed(*best, 5));
  shown_best_ = *best;
}

void ConsoleProgress::on_end(const Fit& fit, FitEnd end) {
  clear_line();
  if (end == FitEnd::finished) warn_of_lag(fit);  // the closing test comes
  if (fit.out_of_patience())
    console_.note("ended: " + std::to_string(fit.evaluations_without_better()) + " evaluations in a row were not better (" +
                  (fit.recipe().best == BestRule::highest_validation_accuracy ? "validation accuracy" : "validation loss") +
                  ")");
}

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
  if (row.average) {
    json["ema_val_accuracy"] = number(row.average->accuracy);
    json["ema_val_loss"] = number(row.average->loss);
  }
  json["lr"] = row.learning_rate;
  json["seconds"] = row.seconds;
  json["images_per_second"] = row.images_per_second;
  json["step"] = row.step;
  return json.dump();
}

std::string evaluation_json(const Evaluation& e) { return to_json(e).dump(); }

std::string average_json(const Evaluation& e) {
  Json json = {{"event", "ema"}};
  json.update(to_json(e));
  return json.dump();
}

std::string evaluation_json(const Evaluation& e, const Confusion& confusion) {
  Json json = to_json(e), classes = Json::object(), matrix = Json::array();
  for (std::size_t i = 0; i < confusion.classes().size(); ++i) {
    classes[confusion.classes()[i]] = confusion.total(i) > 0 ? Json(confusion.accuracy(i)) : Json(nullptr);
    Json row = Json::array();
    for (std::size_t j = 0; j < confusion.columns(); ++j) row.push_back(confusion.count(i, j));
    matrix.push_back(row);
  }
  json["classes"] = classes;
  json["confusion"] = matrix;
  return json.dump();
}

}  // namespace tessera
