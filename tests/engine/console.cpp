// The line of a progress bar fits the terminal, from 40 columns on with what matters.
#include "engine/run/console.h"

#include "engine/report/text.h"
#include "tests/catch.h"

using namespace tessera;
using Catch::Contains;

TEST_CASE("a progress line is never wider than the terminal, and keeps the epoch and the loss down to 40 columns") {
  const Progress longest{.epoch = 100,
                         .epochs = 100,
                         .sample = 49'999,
                         .samples = 50'000,
                         .step = 49'999,
                         .steps = 50'000,
                         .loss = 2.30259,
                         .accuracy = 0.1,
                         .images_per_second = 123456,
                         .seconds_left = 86399};
  const Progress usual{.epoch = 3, .epochs = 5, .sample = 20000, .samples = 50'000, .step = 625, .steps = 1563, .loss = 1.5};
  for (const Progress& p : {longest, usual})
    for (int columns = 0; columns <= 200; ++columns) {
      const std::string line = progress_line(p, columns);
      INFO(columns << ": " << line);
      CHECK(display_width(line) <= static_cast<std::size_t>(columns));
      if (columns >= 39) CHECK_THAT(line, Contains("epoch " + std::to_string(p.epoch)) && Contains("loss "));
      if (columns >= 79) CHECK_THAT(line, Contains("ETA") && Contains("accuracy"));
    }
  CHECK_THAT(progress_line(usual, 120), Contains("images/s") && Contains("625/1563"));
}
