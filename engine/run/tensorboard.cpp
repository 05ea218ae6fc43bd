#include "engine/run/tensorboard.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/report/image_grid.h"
#include "engine/report/png.h"
#include "engine/report/text.h"

namespace tessera {
namespace {

constexpr std::int64_t shown_images = 36;

double wall_time() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

void add_picture(EventSummary& summary, const char* tag, const Picture& picture) {
  const Bytes png = encode_png(picture.width, picture.height, picture.rgb);
  summary.image(tag, picture.width, picture.height, png);
}

}  // namespace

TensorBoard::TensorBoard(std::filesystem::path folder, const RunConfig& config, const ParameterStore& parameters,
                         const ImageSet& train, std::span<const std::string> classes, const Console& console)
    : path_(std::move(folder) / "events.out.tfevents.tessera"),
      config_(config),
      parameters_(parameters),
      train_(train),
      classes_(classes),
      console_(console) {}

template <class Write>
void TensorBoard::attempt(const Write& write) {
  try {
    write();
  } catch (const WeightsError& error) {
    file_.reset();  // opened anew at the next evaluation, which drops what was half written
    if (!std::exchange(warned_, true)) console_.warn(std::string(error.what()) + "; the run goes on without");
  }
}

void TensorBoard::on_start(const Fit& fit) {
  if (file_) return;  // a later phase
  // The row of a cut epoch is not in the checkpoint: it is closed anew at the epoch's end.
  const std::vector<HistoryRow>& rows = fit.host_state().history;
  step_ = rows.empty() ? 0 : rows.back().step;
  attempt([&] {
    file_.emplace(path_, step_, wall_time());
    if (!file_->fresh()) return;
    EventSummary summary;
    // Markdown shows four blanks in front of each line as code.
    std::string text = "    ";
    for (const char c : to_json(config_)) text += c == '\n' ? "\n    " : std::string(1, c);
    summary.text("configuration", text);
    const std::int64_t count = std::min(shown_images, train_.count);
    if (count > 0) add_picture(summary, "images/training", image_grid(train_, 0, count, classes_, "training images"));
    file_->add(0, wall_time(), summary);
  });
}

void TensorBoard::on_evaluation(const Fit&, const HistoryRow& row) {
  step_ = row.step;
  attempt([&] {
    if (!file_) file_.emplace(path_, step_ - 1, wall_time());
    EventSummary summary;
    const auto scores = [&](const std::string& of, const Evaluation& e) {
      summary.scalar("loss/" + of, e.loss);
      summary.scalar("accuracy/" + of, e.accuracy);
    };
    scores("training", row.train);
    if (row.validation) scores("validation", *row.validation);
    summary.scalar("learning rate", row.learning_rate);
    summary.scalar("images per second", row.images_per_second);

    const std::vector<float> values = parameters_.values().to_host<float>(),
                             gradients = parameters_.gradients().to_host<float>();
    for (std::size_t i = 0; i < parameters_.parameters().size(); ++i) {
      const Parameter& parameter = *parameters_.parameters()[i];
      const auto part = [&](const std::vector<float>& of) {
        return std::span(of).subspan(static_cast<std::size_t>(parameters_.offset(i)),
                                     static_cast<std::size_t>(parameter.count()));
      };
      summary.histogram("weights/" + parameter.path(), part(values));
      if (parameter.trainable()) summary.histogram("gradients/" + parameter.path(), part(gradients));
    }
    file_->add(row.step, wall_time(), summary);
  });
}

void TensorBoard::add_mistakes(const ImageSet& images, const Mistakes& mistakes) {
  ImageSet chosen{.height = images.height, .width = images.width, .channels = images.channels};
  for (const Mistake& mistake : mistakes.surest()) {
    const auto image = images.image(mistake.image);
    chosen.pixels.insert(chosen.pixels.end(), image.begin(), image.end());
    chosen.labels.push_back(mistake.predicted);
    ++chosen.count;
  }
  if (chosen.count == 0) return;
  attempt([&] {
    if (!file_) file_.emplace(path_, step_, wall_time());
    EventSummary summary;
    add_picture(summary, "images/mistakes",
                image_grid(chosen, 0, chosen.count, classes_, "mistakes, and what they were taken for"));
    file_->add(step_, wall_time(), summary);
  });
}

}  // namespace tessera
