// Byte for byte against Pillow, where Python has it.
#include <cstdlib>
#include <filesystem>

#include "engine/files/io.h"
#include "engine/image/decode.h"
#include "tests/catch.h"
#include "tests/temporary_folder.h"

using namespace tessera;
namespace fs = std::filesystem;

TEST_CASE("pictures are decoded and resized as Pillow does", "[pillow]") {
  const tests::TemporaryFolder folder;
  if (std::system("python3 -c 'import PIL' 2>/dev/null || /usr/bin/python3 -c 'import PIL' 2>/dev/null") != 0) {
    WARN("skipped: Python has no Pillow here (apt-get install python3-pil)");
    return;
  }
  const std::string script = std::string("'") + TESSERA_PILLOW_SCRIPT + "' '" + folder.path().string() + "'";
  REQUIRE(std::system(("if python3 -c 'import PIL' 2>/dev/null; then python3 " + script + "; else /usr/bin/python3 " +
                       script + "; fi")
                          .c_str()) == 0);
  int decoded = 0, resized = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path())) {
    const fs::path& path = entry.path();
    if (path.extension() != ".rgb") continue;
    const std::string name = path.stem().string();  // NAME.EXT or NAME.EXT.WIDTHxHEIGHT
    const std::string last = name.substr(name.rfind('.') + 1);
    const std::size_t by = last.find('x');
    const bool is_resized = by != last.npos;
    const fs::path picture = path.parent_path() / (is_resized ? name.substr(0, name.rfind('.')) : name);
    const bool is_png = picture.extension() == ".png";
    if (is_png ? !TESSERA_HAS_PNG : !TESSERA_HAS_JPEG) continue;
    INFO(name);
    const Image image = is_resized
                            ? read_resized(picture, std::stoll(last.substr(by + 1)), std::stoll(last.substr(0, by))).image
                            : read_image(picture);
    const Bytes expected = read_file(path, largest_image_file, ExitCode::data);
    CHECK(text_of(std::as_bytes(std::span(image.pixels))) == text_of(expected));
    ++(is_resized ? resized : decoded);
  }
  if (!TESSERA_HAS_PNG || !TESSERA_HAS_JPEG) WARN("in part skipped: this build does not read both PNG and JPEG");
  if (TESSERA_HAS_PNG) CHECK((decoded >= 28 && resized >= 26));
}
