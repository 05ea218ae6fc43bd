// predict, show and export: photos and data sets in, words, pictures and text out.
#include <cmath>
#include <cstring>
#include <sstream>

#include "engine/files/safetensors.h"
#include "engine/image/decode.h"
#include "engine/report/png.h"
#include "tests/catch.h"
#include "tests/programs/run.h"

using namespace tessera::tests;
using Catch::Contains;
using Catch::StartsWith;
namespace fs = std::filesystem;

namespace {

void require_failure(const Outcome& outcome, int code, const std::string& reason) {
  check_failure(outcome, code, reason);
  INFO(outcome.err);
  CHECK(outcome.err.size() < 1000);
}

// A trained LeNet, a few steps old.
std::string make_weights(const Folder& folder) {
  const std::string out = (folder / "run").string();
  const Outcome training =
      run("train_lenet5_relu", {"synthetic", "--steps", "30", "--limit-test", "50", "--out", out, "--quiet"});
  INFO(training.err);
  REQUIRE(training.code == 0);
  return out + "/last.safetensors";
}

void write_png(const fs::path& path, std::int64_t width, std::int64_t height) {
  std::vector<std::uint8_t> rgb;
  for (std::int64_t i = 0; i < width * height * 3; ++i) rgb.push_back(static_cast<std::uint8_t>(i * 37 / 11));
  const tessera::Bytes file = tessera::encode_png(width, height, rgb);
  write_text(path, std::string(tessera::text_of(file)));
}

bool reads_png(const Folder& folder) {
  write_png(folder / "probe.png", 1, 1);
  try {
    tessera::read_image(folder / "probe.png");
  } catch (const tessera::Error&) {
    WARN("skipped: this build reads no PNG");
    return false;
  }
  return true;
}

}  // namespace

TEST_CASE("predict, show and export explain themselves") {
  for (const std::string program : {"predict", "show", "export"}) {
    INFO(program);
    const Outcome help = run(program, {"--help"});
    CHECK(help.code == 0);
    CHECK_THAT(help.out, Contains("--quiet") && Contains("--json") && Contains(program));
    CHECK(run(program, {}).code == 2);
    CHECK_THAT(run(program, {"--version"}).out, StartsWith("Tessera "));
  }
}

TEST_CASE("predict names what photos of any size show") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string weights = make_weights(folder);
  write_png(folder / "wide.png", 300, 7);
  write_png(folder / "small.png", 1, 1);
  const std::string wide = (folder / "wide.png").string(), small = (folder / "small.png").string();

  const Outcome two = run("predict", {weights, wide, small, "--top", "3"});
  INFO(two.err);
  REQUIRE(two.code == 0);
  CHECK_THAT(two.out, StartsWith(wide + ": ") && Contains(small + ": "));
  CHECK(std::count(two.out.begin(), two.out.end(), '\n') == 2 * (1 + 3));

  // One object a photo; all probabilities sum to 1, in descending order. A photo's result does not depend on the others.
  const Outcome json = run("predict", {weights, wide, small, "--top", "100", "--json"});
  REQUIRE(json.code == 0);
  std::istringstream lines(json.out);
  for (std::string line; std::getline(lines, line);) {
    CHECK_THAT(line, StartsWith("{\"image\":\"") && Contains("\"label\":") && Contains("\"class\":\""));
    double sum = 0, last = 1;
    std::size_t at = line.find("\"top\":");
    int classes = 0;
    while ((at = line.find("\"probability\":", at)) != line.npos) {
      const double p = std::stod(line.substr(at += 14));
      CHECK(p <= last);
      sum += last = p;
      ++classes;
    }
    CHECK(classes == 10);
    CHECK(sum == Approx(1).epsilon(1e-9));
  }
  CHECK(json.out.find(run("predict", {weights, small, "--top", "100", "--json"}).out) != std::string::npos);

  SECTION("photos that are missing or broken: exit code 3") {
    require_failure(run("predict", {weights, (folder / "none.png").string()}), 3, "none.png");
    write_text(folder / "page.jpg", "<html>404</html>");
    require_failure(run("predict", {weights, wide, (folder / "page.jpg").string()}), 3, "page.jpg");
    const std::string bytes = read_text(folder / "wide.png");
    write_text(folder / "cut.png", bytes.substr(0, bytes.size() - 20));
    require_failure(run("predict", {weights, (folder / "cut.png").string()}), 3, "cut.png");
    std::string huge = bytes;  // 60,000 x 60,000 by a header whose checksum is then wrong, too
    huge.replace(16, 8, std::string("\0\0\xea\x60\0\0\xea\x60", 8));
    write_text(folder / "huge.png", huge);
    require_failure(run("predict", {weights, (folder / "huge.png").string()}), 3, "huge.png");
    require_failure(run("predict", {weights, "synthetic"}), 2, "--index");
    const Outcome several = run("predict", {weights, folder.path().string()});  // the good ones of a folder are answered
    require_failure(several, 3, "3 of 6 could not be read");
    CHECK_THAT(several.err, Contains("cut.png") && Contains("huge.png") && Contains("page.jpg"));
    CHECK_THAT(several.out, Contains("wide.png: "));
  }
  SECTION("weights that are missing or broken: exit code 4") {
    require_failure(run("predict", {(folder / "none.safetensors").string(), wide}), 4, "none.safetensors");
    require_failure(run("predict", {"https://example.org/w.pth", wide}), 4, "download it first");
    require_failure(run("predict", {wide, wide}), 4, "wide.png");
    require_failure(run("predict", {weights, wide, "--network", "resnet18"}), 4, "missing");
  }
}

TEST_CASE("predict takes a photo from standard input, averages views, and writes tables and explanations") {
  Folder folder;
  if (!reads_png(folder)) return;
  const std::string weights = make_weights(folder);
  write_png(folder / "wide.png", 300, 70);
  write_png(folder / "small.png", 1, 1);
  const std::string wide = (folder / "wide.png").string(), small = (folder / "small.png").string();

  // The same photo by a pipe: the same answer under another name.
  std::string expected = run("predict", {weights, wide, "--json"}).out;
  expected.replace(expected.find(wide), wide.size(), "-");
  const Outcome piped = shell("cat '" + wide + "' | $BIN/predict '" + weights + "' - --json");
  INFO(piped.err);
  CHECK(piped.code == 0);
  CHECK(piped.out == expected);
  require_failure(shell("$BIN/predict '" + weights + "' - < /dev/null"), 3, "standard input is empty");
  require_failure(shell("head -c 99 '" + wide + "' | $BIN/predict '" + weights + "' -"), 3, "standard input");
  require_failure(run("predict", {weights, "-", "-"}), 2, "twice");

  // A table: the probabilities are those of the answers.
  const std::string csv = (folder / "answers.csv").string();
  const Outcome table = run("predict", {weights, wide, (folder / "none.png").string(), small, "--csv", csv, "--json"});
  CHECK(table.code == 3);  // of the missing one
  std::istringstream lines(read_text(csv));
  std::string header, row, rest;
  std::getline(lines, header), std::getline(lines, row);
  CHECK_THAT(header, StartsWith("image,label,class,probability,"));
  CHECK(std::count(header.begin(), header.end(), ',') == 3 + 10);
  CHECK(std::count(row.begin(), row.end(), ',') == 3 + 10);
  CHECK_THAT(row, StartsWith(wide + ","));
  const auto value_behind = [](const std::string& text, const std::string& key) {
    return std::stod(text.substr(text.find(key) + key.size()));
  };
  const std::string probability = row.substr(0, row.find(',', row.find(',', row.find(',', wide.size() + 1) + 1) + 1));
  CHECK(std::stod(probability.substr(probability.rfind(',') + 1)) == Approx(value_behind(table.out, "\"probability\":")));
  REQUIRE(std::getline(lines, row));
  CHECK_THAT(row, StartsWith(small + ","));
  CHECK_FALSE(std::getline(lines, rest));
  CHECK_THAT(run("predict", {weights, small, "--csv", "-"}).out, StartsWith("image,label,class,") && Contains(small + ","));

  // Six views: what evaluate averages.
  const std::string logits = (folder / "logits.npy").string();
  REQUIRE(run("evaluate", {weights, "synthetic", "--tta", "--logits", logits, "--quiet"}).code == 0);
  const std::string npy = read_text(logits);
  std::vector<float> own(10);
  std::memcpy(own.data(), npy.data() + npy.size() - 500 * 40 + 3 * 40, 40);
  double sum = 0;
  for (const float z : own) sum += std::exp(double{z});
  const double first = std::exp(double{own[0]}) / sum;
  const std::string one = run("predict", {weights, "synthetic", "--index", "3", "--tta", "--csv", "-"}).out;
  const std::string last = one.substr(one.find('\n') + 1);
  std::size_t at = 0;
  for (int i = 0; i < 5; ++i) at = last.find(',', at) + 1;
  CHECK_THAT(one, StartsWith("image,true_class,label,class,probability,"));
  CHECK(std::stod(last.substr(at)) == Approx(first).epsilon(1e-5));
  CHECK(one != run("predict", {weights, "synthetic", "--index", "3", "--csv", "-"}).out);

  // Explanations: a picture as large as two pairs, and the maps in the JSON.
  const fs::path png = folder / "explained.png";
  const Outcome explained =
      run("predict", {weights, wide, small, "--explain", png.string(), "--explain-class", "3", "--json"});
  INFO(explained.err);
  REQUIRE(explained.code == 0);
  CHECK_THAT(explained.out, Contains("\"layer\":\"conv_unit.2\",\"map\":[["));
  CHECK_THAT(explained.err, Contains("maps of conv_unit.2, 10x10 cells"));
  const tessera::Image picture = tessera::read_image(png);
  CHECK((picture.width == 500 && picture.height == 2 * 268 + 20 + 48));
  CHECK_THAT(run("predict", {weights, wide, "--explain", "-"}).out, StartsWith("\x89PNG"));
  CHECK_THAT(run("predict", {weights, wide, "--explain", png.string(), "--explain-layer", "conv_unit.0"}).err,
             Contains("maps of conv_unit.0, 28x28"));
  require_failure(run("predict", {weights, wide, "--explain", png.string(), "--explain-layer", "fc_unit.0"}), 2,
                  "conv_unit.0, conv_unit.2");
  require_failure(run("predict", {weights, wide, "--explain", png.string(), "--explain-class", "zebra"}), 2, "zebra");
  require_failure(run("predict", {weights, wide, "--explain-class", "3"}), 2, "--explain FILE.png");
  require_failure(run("predict", {weights, wide, "--explain", "-", "--csv", "-"}), 2, "standard output");
  require_failure(run("predict", {weights, wide, "--explain", wide}), 2, "wide.png");
}

TEST_CASE("predict --index looks at an image of the test set") {
  Folder folder;
  const std::string weights = make_weights(folder);
  const Outcome one = run("predict", {weights, "synthetic", "--index", "2"});
  INFO(one.err);
  REQUIRE(one.code == 0);
  CHECK_THAT(one.out, StartsWith("test image 2: true falling blue, predicted "));
  CHECK_THAT(run("predict", {weights, "synthetic", "--index", "2", "--json"}).out,
             Contains("\"true_class\":\"falling blue\""));
  require_failure(run("predict", {weights, "synthetic", "--index", "500"}), 2, "0 to 499");
  require_failure(run("predict", {weights, "synthetic", "--index", "-1"}), 2, "--index");
  require_failure(run("predict", {weights, "synthetic", "synthetic", "--index", "1"}), 2, "--index");
  require_failure(run("predict", {weights, (folder / "nowhere").string(), "--index", "1"}), 3, "nowhere");
}

TEST_CASE("show prints shapes and counts and draws a picture") {
  Folder folder;
  make_cifar(folder / "data", 30, 20);
  const std::string data = (folder / "data").string(), png = (folder / "grid.png").string();
  const Outcome shown = run("show", {data, "--out", png});
  INFO(shown.err);
  REQUIRE(shown.code == 0);
  CHECK_THAT(shown.out, Contains("(30, 32, 32, 3), labels (30, 1)") && Contains("(20, 32, 32, 3), labels (20, 1)") &&
                            Contains("airplane") && Contains("training images 0 to 24 in " + png));
  const std::string picture = read_text(png);
  CHECK(picture.substr(1, 3) == "PNG");
  if (reads_png(folder)) {
    const tessera::Image image = tessera::read_image(png);
    CHECK((image.width > 5 * 32 && image.height > 5 * 32));
    // The first pixel of the first image, as a square of its own colour: bytes 1, 1025 and 2049 of the file.
    const std::string records = read_text(folder / "data" / "data_batch_1.bin");
    bool found = false;
    for (std::int64_t y = 0; y < image.height && !found; ++y)
      for (std::int64_t x = 0; x < image.width && !found; ++x) {
        const std::uint8_t* p = image.pixels.data() + (y * image.width + x) * 3;
        found = p[0] == static_cast<std::uint8_t>(records[1]) && p[1] == static_cast<std::uint8_t>(records[1025]) &&
                p[2] == static_cast<std::uint8_t>(records[2049]);
      }
    CHECK(found);
  }
  REQUIRE(run("show", {data, "--out", (folder / "again.png").string()}).code == 0);
  CHECK(read_text(folder / "again.png") == picture);

  const std::string seen = (folder / "augmented.png").string();
  REQUIRE(run("show", {data, "--augment", "--out", seen}).code == 0);
  const std::string cropped = read_text(seen);
  CHECK((cropped.substr(1, 3) == "PNG" && cropped != picture));
  REQUIRE(run("show", {data, "--augment", "--seed", "2", "--out", seen}).code == 0);
  CHECK(read_text(seen) != cropped);  // other crops and flips
  for (const char* words : {"standard", "jitter", "cutout", "mixup", "cutmix,flip"}) {
    REQUIRE(run("show", {data, "--augment", words, "--out", seen}).code == 0);
    CHECK((read_text(seen) == cropped) == (std::string(words) == "standard"));
    CHECK(read_text(seen) != picture);
  }
  require_failure(run("show", {data, "--augment", "blur", "--out", png}), 2, "--augment");
  require_failure(run("show", {data, "--augment", "--index", "1", "--out", png}), 2, "--augment");

  for (const char* count : {"1", "3", "20", "1000"})
    CHECK(run("show", {data, "--split", "test", "--count", count, "--out", png}).code == 0);
  CHECK_THAT(run("show", {data, "--json", "--out", png}).out,
             StartsWith("{\"train\":[30,32,32,3],\"test\":[20,32,32,3],\"classes\":[{\"label\":0,"));
  require_failure(run("show", {data, "--count", "0", "--out", png}), 2, "--count");
  require_failure(run("show", {data, "--out", (folder / "no" / "where.png").string()}), 1, "where.png");
  require_failure(run("show", {(folder / "nowhere").string()}), 3, "nowhere");
  CHECK_THAT(run("show", {folder.path().string(), "--out", png}).err, Contains("taken for the data set inside it"));
  std::filesystem::create_directory(folder / "empty");
  require_failure(run("show", {(folder / "empty").string()}), 3, "no data set found");
}

TEST_CASE("show --index prints an image's values and label") {
  Folder folder;
  make_cifar(folder / "data", 10, 10);
  const std::string data = (folder / "data").string();
  const Outcome shown = run("show", {data, "--index", "3"});
  REQUIRE(shown.code == 0);
  const std::string records = read_text(folder / "data" / "data_batch_1.bin");
  const std::size_t at = 3 * 3073;
  char first[32];
  std::snprintf(first, sizeof first, "[[[%3d %3d %3d]\n", static_cast<unsigned char>(records[at + 1]),
                static_cast<unsigned char>(records[at + 1025]), static_cast<unsigned char>(records[at + 2049]));
  CHECK_THAT(shown.out, StartsWith(first));
  CHECK_THAT(shown.last_line(), StartsWith("train image 3: label " + std::to_string(static_cast<int>(records[at])) + " ("));
  CHECK(std::count(shown.out.begin(), shown.out.end(), ']') == 1024 + 32 + 1);
  CHECK_THAT(run("show", {data, "--index", "3", "--json"}).out, Contains("\"values\":[[["));
  require_failure(run("show", {data, "--index", "10"}), 2, "0 to 9");
}

TEST_CASE("export writes every value of the weights as text") {
  Folder folder;
  const std::string weights = make_weights(folder), txt = (folder / "weights.txt").string();
  const Outcome exported = run("export", {weights, "--txt", txt});
  INFO(exported.err);
  REQUIRE(exported.code == 0);
  CHECK_THAT(exported.out, Contains("10 variables"));

  const tessera::Safetensors file = tessera::Safetensors::read(weights);
  std::istringstream lines(read_text(txt));
  std::string name, shape, values;
  int variables = 0;
  while (std::getline(lines, name) && std::getline(lines, shape) && std::getline(lines, values)) {
    INFO(name);
    const tessera::TensorEntry& entry = file.at(name);
    std::string expected = "(";
    for (const std::int64_t extent : entry.shape) expected += (expected.size() > 1 ? ", " : "") + std::to_string(extent);
    CHECK(shape == expected + (entry.shape.size() == 1 ? ",)" : ")"));
    std::vector<float> parsed;
    for (const char* at = values.c_str(); *at != '\0';) {
      char* end = nullptr;
      parsed.push_back(std::strtof(at, &end));
      REQUIRE(end != at);
      at = *end == ' ' ? end + 1 : end;
    }
    REQUIRE(parsed.size() * sizeof(float) == entry.bytes.size());
    CHECK(std::memcmp(parsed.data(), entry.bytes.data(), entry.bytes.size()) == 0);
    ++variables;
  }
  CHECK(variables == 10);

  require_failure(run("export", {weights, "--txt", txt, "--names", "keras"}), 2, "baseline");
  require_failure(run("export", {(folder / "none").string(), "--txt", txt}), 4, "none");
  require_failure(run("export", {weights, "--txt", (folder / "no" / "where.txt").string()}), 4, "where.txt");
}

TEST_CASE("export --names keras has tf.keras' names, layouts and order of flattening") {
  Folder folder;
  const std::string out = (folder / "run").string(), txt = (folder / "weights.txt").string();
  REQUIRE(run("train_baseline", {"synthetic", "--steps", "1", "--limit-test", "50", "--out", out, "--quiet"}).code == 0);
  REQUIRE(run("export", {out + "/last.safetensors", "--txt", txt, "--names", "keras"}).code == 0);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"baseline/conv2d/kernel:0", "(5, 5, 3, 6)"},     {"baseline/conv2d/bias:0", "(6,)"},
      {"baseline/batch_normalization/gamma:0", "(6,)"}, {"baseline/batch_normalization/beta:0", "(6,)"},
      {"baseline/dense/kernel:0", "(1536, 128)"},       {"baseline/dense/bias:0", "(128,)"},
      {"baseline/dense_1/kernel:0", "(128, 10)"},       {"baseline/dense_1/bias:0", "(10,)"}};
  std::istringstream lines(read_text(txt));
  std::vector<std::vector<float>> values;
  for (const auto& [name, shape] : expected) {
    std::string line;
    REQUIRE(std::getline(lines, line));
    CHECK(line == name);
    REQUIRE(std::getline(lines, line));
    CHECK(line == shape);
    REQUIRE(std::getline(lines, line));
    std::vector<float>& list = values.emplace_back();
    for (const char* at = line.c_str(); *at != '\0';) {
      char* end = nullptr;
      list.push_back(std::strtof(at, &end));
      REQUIRE(end != at);
      at = *end == ' ' ? end + 1 : end;
    }
  }
  std::string rest;
  CHECK_FALSE(std::getline(lines, rest));

  const tessera::Safetensors file = tessera::Safetensors::read(out + "/last.safetensors");
  const auto own = [&](const char* name, std::size_t i) {
    float value = 0;
    std::memcpy(&value, file.at(name).bytes.data() + i * sizeof value, sizeof value);
    return value;
  };
  bool filters = values[0].size() == 450, flattened = values[4].size() == 1536 * 128, plain = values[6].size() == 1280;
  REQUIRE((filters && flattened && plain));
  for (std::size_t o = 0; o < 6; ++o)
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t rs = 0; rs < 25; ++rs)
        filters = filters && values[0][(rs * 3 + i) * 6 + o] == own("c1.weight", (o * 3 + i) * 25 + rs);
  for (std::size_t o = 0; o < 128; ++o)
    for (std::size_t c = 0; c < 6; ++c)
      for (std::size_t hw = 0; hw < 256; ++hw)
        flattened = flattened && values[4][(hw * 6 + c) * 128 + o] == own("f1.weight", o * 1536 + c * 256 + hw);
  for (std::size_t o = 0; o < 10; ++o)
    for (std::size_t i = 0; i < 128; ++i) plain = plain && values[6][i * 10 + o] == own("f2.weight", o * 128 + i);
  CHECK(filters);
  CHECK(flattened);
  CHECK(plain);
}

TEST_CASE("a folder of photos trains a network of one output, and predict knows its two classes") {
  Folder folder;
  if (!reads_png(folder)) return;
  for (const std::string place : {"train/horse", "train/ship", "test/horse", "test/ship"}) {
    fs::create_directories(folder / "photos" / place);
    for (const int i : {1, 2, 3}) write_png(folder / "photos" / place / (std::to_string(i) + ".png"), 20 * i, 30);
  }
  const std::string data = (folder / "photos").string(), out = (folder / "run").string();
  const Outcome training = run("train_lenet5_relu", {data, "--outputs", "1", "--steps", "2", "--out", out, "--quiet"});
  INFO(training.err);
  REQUIRE(training.code == 0);
  const Outcome one = run("predict", {out + "/last.safetensors", data + "/test/ship/1.png"});
  CHECK(one.code == 0);
  CHECK_THAT(one.out, Contains("   horse  0.") && Contains("   ship   0."));
  CHECK_THAT(run("predict", {out + "/last.safetensors", data, "--index", "3", "--json"}).out,
             Contains("\"true_class\":\"ship\""));
  CHECK_THAT(run("show", {data, "--out", (folder / "grid.png").string()}).out, Contains("(6, 32, 32, 3)"));
}
