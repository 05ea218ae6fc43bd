// What a training run shows while it runs: a bar with ETA on a terminal, one line an epoch elsewhere, or JSON lines.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "engine/report/confusion.h"
#include "engine/train/fit.h"

namespace tessera {

enum class Verbosity : std::uint8_t { quiet, normal, json };

// Of several processes that are one run, one speaks; the others are silent, or put their name before what they note.
struct Speaker {
  std::string name = {};  // "[rank 1] "; empty: the one
  bool silent = false;
};

// Where a program's words go: results to standard output, progress and warnings to standard error. Whatever foreign text
// they hold is escaped here (core/foreign_text.h).
class Console {
 public:
  // `output_taken`: standard output carries a file (an output named -), so results go to standard error too.
  explicit Console(Verbosity verbosity, bool output_taken = false, Speaker speaker = {});

  Verbosity verbosity() const { return verbosity_; }
  bool interactive() const { return interactive_; }  // standard error is a terminal that takes lines back, and not quiet

  void note(const std::string& line) const;    // progress; not when quiet
  void warn(const std::string& line) const;    // always
  void result(const std::string& line) const;  // prose result; not with json
  void object(const std::string& json) const;  // one JSON object; only with json

 private:
  bool is_the_one() const { return !speaker_.silent && speaker_.name.empty(); }

  Verbosity verbosity_;
  Speaker speaker_;
  bool interactive_;
  std::FILE* results_;
};

// What the line of a bar says.
struct Progress {
  std::int64_t epoch = 1, epochs = 1;  // counted from 1
  std::int64_t sample = 0, samples = 1;
  std::int64_t step = 0, steps = 1;  // of the epoch
  double loss = 0, accuracy = 0, images_per_second = 0, seconds_left = 0;
};
// In at most so many columns: the bar becomes shorter, then what matters least is left out.
std::string progress_line(const Progress& progress, int columns);

class ConsoleProgress : public FitObserver {
 public:
  // from_initial: the run began with initial values, running statistics included.
  explicit ConsoleProgress(const Console& console, bool from_initial = false)
      : console_(console), from_initial_(from_initial) {}
  void on_start(const Fit& fit) override;
  void on_step(const Fit& fit) override;
  void on_evaluation(const Fit& fit, const HistoryRow& row) override;
  void on_best(const Fit& fit) override;
  void on_end(const Fit& fit, FitEnd end) override;

 private:
  void clear_line();
  void warn_of_lag(const Fit& fit);  // once
  void log_step(const Fit& fit);     // the step just done, numbered from 0

  const Console& console_;
  bool from_initial_;
  double shown_best_ = 0;
  std::chrono::steady_clock::time_point last_draw_{};
  std::int64_t shown_skips_ = 0;
  bool drawn_ = false;
};

// {"event": "step", "epoch": 0, "step": 3000, "loss": …}: one batch's loss before its update; epoch and step count from 0.
std::string step_json(std::int64_t epoch, std::int64_t step, double loss);
// {"event": "epoch", "epoch": 1, "accuracy": …}: the history's row.
std::string row_json(const HistoryRow& row, bool top5);
// {"accuracy": …, "top-5": …, "loss": …}, and "one view": … where several were averaged
std::string evaluation_json(const Evaluation& evaluation);
// {"event": "ema", "accuracy": …, "top-5": …, "loss": …}: of the averaged weights.
std::string average_json(const Evaluation& evaluation);
// The same with "classes" (name → accuracy) and "confusion" (rows: true class; columns: predicted class, then other).
std::string evaluation_json(const Evaluation& evaluation, const Confusion& confusion);

}  // namespace tessera
