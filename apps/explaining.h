// predict --explain: what of each image speaks for a class, drawn over it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/answer.h"
#include "apps/photos.h"
#include "engine/data/normalization.h"
#include "engine/files/output.h"
#include "engine/report/heat_map.h"
#include "engine/train/explanations.h"

namespace CLI {
class App;
}

namespace tessera {

inline constexpr std::size_t most_explained = 100;  // photos in a picture

struct ExplainOptions {
  std::string file, class_name, layer;
};
void add_explain_options(CLI::App& app, ExplainOptions& options);

class Explaining {
 public:
  // UsageError where none of the names is the class that is asked for.
  Explaining(const ExplainOptions& options, const std::vector<std::string>& names);

  // Of the first of these subjects, as many as the picture has room for; each answer learns its maps, which stay valid as
  // long as this is not asked again.
  void add(Network& network, const Normalization& normalization, const std::shared_ptr<Device>& device,
           const Subjects& subjects, std::vector<Answer>& answers, const std::atomic<bool>* stop);
  bool full() const { return shown_.size() == most_explained; }
  const std::string& layer() const { return maps_.layer; }
  std::int64_t rows() const { return maps_.rows; }
  std::int64_t columns() const { return maps_.columns; }

  // A PNG of all of them; nothing where there are none.
  void write(const Output& output, const std::atomic<bool>* stop) const;

 private:
  struct Shown {
    Picture picture;
    std::vector<float> values;
    std::string answer, name;
  };

  ExplainOptions options_;
  const std::vector<std::string>& names_;
  std::optional<std::size_t> label_;  // asked for; else each image's own answer
  ClassMaps maps_;                    // of the last images
  std::vector<Shown> shown_;
};

}  // namespace tessera
