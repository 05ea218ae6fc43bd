#include "engine/data/image_folder.h"

#include "engine/report/png.h"
#include "tests/catch.h"
#include "tests/data/support.h"

using namespace tessera;
using namespace tessera::test;

namespace {

// A PNG of one colour.
std::string plain_png(std::int64_t width, std::int64_t height, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  std::vector<std::uint8_t> rgb;
  for (std::int64_t i = 0; i < width * height; ++i) rgb.insert(rgb.end(), {r, g, b});
  return std::string(text_of(encode_png(width, height, rgb)));
}

void put_image(const TemporaryFolder& folder, const std::string& name, const std::string& file) {
  fs::create_directories((folder / name).parent_path());
  put(folder / name, file);
}

void put_folder(const TemporaryFolder& folder) {
  put_image(folder, "train/zebra/a.png", plain_png(32, 32, 1, 2, 3));
  put_image(folder, "train/ant/b.PNG", plain_png(640, 480, 10, 20, 30));
  put_image(folder, "train/ant/a.png", plain_png(1, 1, 40, 50, 60));
  put_image(folder, "train/ant/notes.txt", "not an image");
  put_image(folder, "train/ant/.hidden.png", "not an image");
  put_image(folder, "train/.git/x.png", "not an image");
  put_image(folder, "train/mole/c.png", plain_png(7, 90, 70, 80, 90));
  put_image(folder, "test/zebra/a.png", plain_png(33, 31, 4, 5, 6));
  put_image(folder, "test/ant/a.png", plain_png(31, 33, 7, 8, 9));
}

// Without libpng no PNG is read; the error then says so.
bool png_is_read() {
  const TemporaryFolder folder;
  put_folder(folder);
  try {
    open_dataset(folder.path().string());
  } catch (const Error& error) {
    WARN("skipped: " << error.what());
    return error.code != ExitCode::failure;
  }
  return true;
}

}  // namespace

TEST_CASE("a folder of images becomes a data set of 32x32, classes by name, images by file name", "[images]") {
  if (!png_is_read()) return;
  const TemporaryFolder folder;
  put_folder(folder);
  const Dataset data = open_dataset(folder.path().string());
  CHECK(data.classes == std::vector<std::string>{"ant", "mole", "zebra"});
  CHECK(data.train.labels == std::vector<std::int32_t>{0, 0, 1, 2});
  CHECK(data.test.labels == std::vector<std::int32_t>{0, 2});
  REQUIRE(data.train.pixels.size() == 4 * 3072);
  const std::uint8_t colours[4][3] = {{40, 50, 60}, {10, 20, 30}, {70, 80, 90}, {1, 2, 3}};
  for (std::int64_t n = 0; n < 4; ++n) {
    const auto image = data.train.image(n);
    bool right = true;
    for (std::size_t i = 0; i < image.size(); ++i) right = right && image[i] == colours[n][i % 3];
    CHECK(right);
  }
  REQUIRE(data.warnings.size() == 2);
  CHECK(data.warnings[0].find("1 files that are neither .png nor .jpg") != std::string::npos);
  CHECK(data.warnings[1].find("mole: no images of this class") != std::string::npos);
  const std::atomic<bool> stop = true;
  CHECK_THROWS_AS(open_image_folder(folder.path(), {.stop = &stop}), Interrupted);
}

TEST_CASE("broken folders of images are refused in one line", "[images][hostile]") {
  if (!png_is_read()) return;
  struct Case {
    const char* what;
    void (*damage)(const TemporaryFolder&);
    const char* reason;
  };
  const Case cases[] = {
      {"no test", [](const TemporaryFolder& f) { fs::remove_all(f / "test"); }, "has no folder test"},
      {"no train", [](const TemporaryFolder& f) { fs::remove_all(f / "train"); }, "has no folder train"},
      {"no classes", [](const TemporaryFolder& f) { fs::remove_all(f / "train"), fs::create_directory(f / "train"); },
       "has no folders; one for each class"},
      {"classes without images",
       [](const TemporaryFolder& f) {
         fs::remove_all(f / "train");
         fs::create_directories(f / "train/ant");
         fs::create_directories(f / "train/zebra");
       },
       "has no images"},
      {"a class that only test has", [](const TemporaryFolder& f) { put_image(f, "test/wasp/a.png", "x"); },
       "train has no class of this name"},
      {"an image that is none", [](const TemporaryFolder& f) { put_image(f, "train/ant/x.jpg", "<html>404</html>"); },
       "x.jpg: neither a PNG nor a JPEG"},
      {"an empty image", [](const TemporaryFolder& f) { put_image(f, "train/ant/x.png", ""); }, "x.png: the file is empty"},
      {"a cut image",
       [](const TemporaryFolder& f) { put_image(f, "train/ant/x.png", plain_png(64, 64, 1, 2, 3).substr(0, 60)); },
       "damaged PNG"},
      {"a folder as image", [](const TemporaryFolder& f) { fs::create_directory(f / "train/ant/x.png"); }, "is a folder"},
      {"a dangling link", [](const TemporaryFolder& f) { fs::create_symlink("/nonexistent", f / "train/ant/x.png"); },
       "No such file"},
      {"a class name with a line end", [](const TemporaryFolder& f) { put_image(f, "train/a\nb/x.png", "x"); },
       "is no name for a class"},
      {"a class name with a comma", [](const TemporaryFolder& f) { put_image(f, "train/a,b/x.png", "x"); },
       "is no name for a class"},
  };
  for (const Case& c : cases) {
    const TemporaryFolder folder;
    put_folder(folder);
    c.damage(folder);
    const std::string error = error_of<DataError>([&] { open_dataset(folder.path().string()); });
    INFO(c.what << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.find(folder.path().string()) != error.npos);
    CHECK(error.find('\n') == error.npos);
  }
}
