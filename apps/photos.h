// What predict is asked about: photos from files, folders and standard input, or an image of a data set.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/files/io.h"
#include "engine/report/canvas.h"
#include "engine/run/console.h"

namespace tessera {

// Images as the network takes them, and for people what each of them is.
struct Subjects {
  ImageSet images = {};
  std::vector<std::string> names = {}, true_classes = {};  // the latter empty for photos
  std::vector<Picture> pictures = {};  // as people see them, of extents that fit an explanation (fitting_extents)
};

// UsageError where the test set has no such image.
Subjects pick_test_image(const Dataset& data, std::int64_t index);

// Reads photos a few at a time. A bad one is reported and does not keep the others from being answered.
class Photos {
 public:
  struct Options {
    std::int64_t side = 32, channels = 3;  // of the network's images
    std::size_t pictures = 0;              // of how many photos, the first ones, people want to see a picture
    const std::atomic<bool>* stop = nullptr;
  };
  // given: photos, folders of photos, and - for a photo from standard input. UsageError: a data set among them, or - twice.
  Photos(const std::vector<std::string>& given, const Options& options, const Console& console);

  bool done() const { return next_ == paths_.size(); }
  Subjects read(std::int64_t most);
  void finish() const;  // DataError where a photo was bad

 private:
  void gather(const std::string& path);
  void append(const std::string& path, Subjects& subjects);
  template <class Action>
  void attempt(const std::string& path, const Action& action);

  Options options_;
  const Console& console_;
  std::vector<std::string> paths_, failed_;
  std::size_t next_ = 0, answered_ = 0;
  bool alone_ = false;  // one photo is all there is
  bool told_of_aspect_ = false;
};

}  // namespace tessera
