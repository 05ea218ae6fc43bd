#include "engine/data/image_folder.h"

#include <sys/stat.h>

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
    open_dataset(folder.path().string(), {.image_size = 32});
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
  const Dataset data = open_dataset(folder.path().string(), {.image_size = 32});
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
  REQUIRE(data.warnings.size() == 3);
  CHECK(data.warnings[0].find("1 files that are neither .png nor .jpg") != std::string::npos);
  CHECK(data.warnings[1].find("mole: no images of this class") != std::string::npos);
  CHECK(data.warnings[2].find("4 of 6 images change their aspect ratio, resized to 32x32") != std::string::npos);
  const std::atomic<bool> stop = true;
  CHECK_THROWS_AS(open_image_folder(folder.path(), {.stop = &stop}), Interrupted);
}

TEST_CASE("images keep the size that they all have", "[images]") {
  if (!png_is_read()) return;
  const TemporaryFolder folder;
  for (const char* name : {"train/ant/a.png", "train/bee/b.png", "test/bee/c.png"})
    put_image(folder, name, plain_png(48, 30, 1, 2, 3));
  const std::string path = folder.path().string();
  std::vector<Loading> seen;
  const Dataset own = open_dataset(path, {.default_size = 32, .on_loading = [&](const Loading& l) { seen.push_back(l); }});
  CHECK((own.train.height == 30 && own.train.width == 48 && own.test.width == 48 && own.warnings.size() == 1));
  REQUIRE(seen.size() == 2);  // the memory before any of it is taken, and the end
  CHECK((seen[0].done == 0 && seen[0].images == 3 && seen[0].bytes == 3 * 48 * 30 * 3));
  CHECK((seen[1].done == 3 && seen[1].images == 3));

  put_image(folder, "test/bee/d.png", plain_png(31, 30, 1, 2, 3));
  CHECK(error_of<DataError>([&] { open_dataset(path); }).find("d.png has 31x30 pixels, images before it 48x30") !=
        std::string::npos);
  CHECK(error_of<DataError>([&] { open_dataset(path); }).find("--image-size") != std::string::npos);
  CHECK(open_dataset(path, {.default_size = 20}).train.width == 20);
}

TEST_CASE("colour images are made grey where one channel is asked for", "[images]") {
  if (!png_is_read()) return;
  const TemporaryFolder folder;
  put_folder(folder);
  const Dataset grey = open_dataset(folder.path().string(), {.image_size = 32, .channels = 1});
  REQUIRE((grey.train.channels == 1 && grey.train.pixels.size() == 4 * 32 * 32));
  CHECK(grey.train.image(0)[0] == 48);  // (0.299·40 + 0.587·50 + 0.114·60, rounded)
  CHECK(grey.test.image(1)[0] == 5);
  CHECK(grey.description.ends_with("as 32x32, made grey"));
}

TEST_CASE("val is a set of its own, or stands in for a test that is missing; test alone is enough", "[images]") {
  if (!png_is_read()) return;
  const TemporaryFolder folder;
  const std::string path = folder.path().string();
  put_image(folder, "train/ant/a.png", plain_png(8, 8, 1, 2, 3));
  put_image(folder, "train/bee/deeper/b.png", plain_png(8, 8, 4, 5, 6));  // folders inside a class are of that class
  put_image(folder, "val/bee/c.png", plain_png(8, 8, 7, 8, 9));
  const Dataset without_test = open_dataset(path);
  CHECK((without_test.train.count == 2 && without_test.validation.count == 0 && without_test.test.count == 1));
  CHECK(without_test.warnings[0].find("val is taken for it") != std::string::npos);
  put_image(folder, "test/ant/d.png", plain_png(8, 8, 7, 8, 9));
  const Dataset all = open_dataset(path);
  CHECK((all.train.count == 2 && all.validation.labels == std::vector<std::int32_t>{1}));
  CHECK(all.test.labels == std::vector<std::int32_t>{0});
  fs::remove_all(folder / "train");
  fs::remove_all(folder / "val");
  const Dataset test = open_dataset(path);
  CHECK((test.train.count == 0 && test.test.count == 1 && test.classes == std::vector<std::string>{"ant"}));
  CHECK(test.warnings[0].find("nothing to train with") != std::string::npos);
}

TEST_CASE("a class is the same in each normal form of its name", "[images][unicode]") {
  if (!png_is_read()) return;
  const TemporaryFolder folder;
  put_image(folder, "train/bee/a.png", plain_png(8, 8, 1, 2, 3));
  put_image(folder, "train/caf\u00e9/a.png", plain_png(8, 8, 1, 2, 3));
  put_image(folder, "test/cafe\u0301/a.png", plain_png(8, 8, 1, 2, 3));
  CHECK(open_dataset(folder.path().string()).test.labels == std::vector<std::int32_t>{1});
  put_image(folder, "train/cafe\u0301/a.png", plain_png(8, 8, 1, 2, 3));
  CHECK(error_of<DataError>([&] { open_dataset(folder.path().string()); }).find("another normal form") != std::string::npos);
}

TEST_CASE("names that differ in capitals or blanks alone are not passed over", "[images]") {
  if (!png_is_read()) return;
  const TemporaryFolder folder;
  const std::string path = folder.path().string(), png = plain_png(8, 8, 1, 2, 3);
  put_image(folder, "Train/bee/a.png", png);
  put_image(folder, "TEST/bee/a.png", png);
  put_image(folder, "Train/__MACOSX/._a.png", "of an archiver");
  put_image(folder, "Train/bee/@eaDir/a.png", "of a server");
  const Dataset data = open_dataset(path);
  CHECK((data.train.count == 1 && data.test.count == 1 && data.classes == std::vector<std::string>{"bee"}));
  CHECK(data.warnings.empty());
  put_image(folder, "TEST/Bee /a.png", png);
  CHECK(error_of<DataError>([&] { open_dataset(path); }).find("train has no class of this name; it has 'bee'") !=
        std::string::npos);
  put_image(folder, "Train/Bee /a.png", png);
  const Dataset two = open_dataset(path);
  REQUIRE((two.classes.size() == 2 && !two.warnings.empty()));
  CHECK(two.warnings[0].find("'Bee ' and 'bee' are two classes") != std::string::npos);
}

TEST_CASE("damaged images are named in one message, or left out", "[images]") {
  if (!png_is_read()) return;
  const TemporaryFolder folder;
  const std::string path = folder.path().string();
  put_folder(folder);
  for (int i = 0; i < 12; ++i) put_image(folder, "train/ant/bad" + std::to_string(i) + ".png", "<html>404</html>");
  put_image(folder, "test/ant/cut.png", plain_png(64, 64, 1, 2, 3).substr(0, 60));
  const std::string error = error_of<DataError>([&] { open_dataset(path, {.image_size = 32}); });
  INFO(error);
  CHECK(error.find("13 of 19 images cannot be read") != std::string::npos);
  CHECK((error.find("bad0.png") != std::string::npos && error.find("bad1.png") != std::string::npos));
  CHECK(error.find("--skip-damaged") != std::string::npos);
  const Dataset data = open_dataset(path, {.image_size = 32, .skip_damaged = true});
  CHECK((data.train.count == 4 && data.test.count == 2));
  CHECK(data.warnings[2].find("they are left out") != std::string::npos);
}

TEST_CASE("special files among the images are named at once", "[images][hostile]") {
  const TemporaryFolder folder;
  put_folder(folder);
  put_image(folder, "train/ant/0.png", "damaged, but not what is said first");
  REQUIRE(::mkfifo((folder / "train/ant/pipe.png").c_str(), 0600) == 0);
  for (const bool skip : {false, true})
    CHECK(error_of<DataError>([&] {
            open_dataset(folder.path().string(), {.image_size = 32, .skip_damaged = skip});
          }).find("pipe.png: is a FIFO") != std::string::npos);
  fs::remove(folder / "train/ant/pipe.png");
  fs::create_directory_symlink(folder.path(), folder / "train/ant/loop");
  CHECK(error_of<DataError>([&] { open_dataset(folder.path().string()); }).find("does a link go round") !=
        std::string::npos);
}

TEST_CASE("broken folders of images are refused in one line", "[images][hostile]") {
  if (!png_is_read()) return;
  struct Case {
    const char* what;
    void (*damage)(const TemporaryFolder&);
    const char* reason;
  };
  const Case cases[] = {
      {"no classes", [](const TemporaryFolder& f) { fs::remove_all(f / "train"), fs::create_directory(f / "train"); },
       "has no folders; one for each class"},
      {"an empty folder of validation images", [](const TemporaryFolder& f) { fs::create_directory(f / "val"); },
       "val: has no folders; one for each class is expected: val/<class>/*.png or *.jpg; without such images, remove the"},
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
      {"a class name that is not UTF-8", [](const TemporaryFolder& f) { put_image(f, "train/caf\xe9/x.png", "x"); },
       "is no name for a class (it is not UTF-8): rename the folder"},
      {"a class name with a line end", [](const TemporaryFolder& f) { put_image(f, "train/a\nb/x.png", "x"); },
       "is no name for a class"},
      {"a class name with a comma", [](const TemporaryFolder& f) { put_image(f, "train/a,b/x.png", "x"); },
       "is no name for a class"},
  };
  for (const Case& c : cases) {
    const TemporaryFolder folder;
    put_folder(folder);
    c.damage(folder);
    const std::string error = error_of<DataError>([&] { open_dataset(folder.path().string(), {.image_size = 32}); });
    INFO(c.what << ": " << error);
    CHECK(error.find(c.reason) != error.npos);
    CHECK(error.find(folder.path().string()) != error.npos);
    CHECK(error.find('\n') == error.npos);
  }
}
