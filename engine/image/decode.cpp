#include "engine/image/decode.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "engine/image/codecs.h"
#include "engine/image/resize.h"

namespace tessera {
namespace {

constexpr std::uint64_t longest_side = 65535;  // what JPEG can have

class WholePicture : public RowSink {
 public:
  explicit WholePicture(const std::string& where) : where_(where) {}
  void begin(std::int64_t height, std::int64_t width, Orientation orientation) override {
    check_size(static_cast<std::uint64_t>(height), static_cast<std::uint64_t>(width), most_whole_pixels, where_);
    height_ = height, width_ = width, orientation_ = orientation;
    image.height = orientation.transposed ? width : height;
    image.width = orientation.transposed ? height : width;
    image.pixels.resize(static_cast<std::size_t>(height * width * 3));
  }
  void row(const std::uint8_t* rgb) override {
    const std::int64_t y = orientation_.rows_reversed ? height_ - 1 - next_ : next_;
    for (std::int64_t i = 0; i < width_; ++i, rgb += 3) {
      const std::int64_t x = orientation_.columns_reversed ? width_ - 1 - i : i;
      std::copy_n(rgb, 3, image.pixels.data() + 3 * (orientation_.transposed ? x * height_ + y : y * width_ + x));
    }
    ++next_;
  }

  Image image;

 private:
  const std::string& where_;
  std::int64_t height_ = 0, width_ = 0, next_ = 0;
  Orientation orientation_;
};

class ResizedPicture : public RowSink {
 public:
  ResizedPicture(std::int64_t height, std::int64_t width) : to_height_(height), to_width_(width) {}
  void begin(std::int64_t height, std::int64_t width, Orientation orientation) override {
    result.height = orientation.transposed ? width : height;
    result.width = orientation.transposed ? height : width;
    resizer_.emplace(height, width, orientation, to_height_, to_width_);
  }
  void row(const std::uint8_t* rgb) override { resizer_->add(rgb); }
  ResizedImage finish() {
    result.image = resizer_->finish();
    return std::move(result);
  }

  ResizedImage result;

 private:
  std::int64_t to_height_, to_width_;
  std::optional<RowResizer> resizer_;
};

// What other formats begin with, which phones, browsers and scanners write.
struct Foreign {
  std::size_t at;
  std::string_view bytes;
  const char* name;
};
constexpr Foreign foreign[] = {{4, "ftypheic", "a HEIC"},  {4, "ftypheix", "a HEIC"}, {4, "ftypmif1", "a HEIF"},
                               {4, "ftypavif", "an AVIF"}, {8, "WEBP", "a WebP"},     {0, "GIF8", "a GIF"},
                               {0, "BM", "a BMP"},         {0, "II*", "a TIFF"},      {0, {"MM\0*", 4}, "a TIFF"}};

std::string not_a_picture(ByteSpan file) {
  if (file.empty()) return "the file is empty";
  const std::string_view head = text_of(file.first(std::min<std::size_t>(file.size(), 16)));
  for (const Foreign& format : foreign)
    if (head.size() > format.at && head.substr(format.at).starts_with(format.bytes))
      return std::string("is neither a PNG nor a JPEG, but ") + format.name + "; convert it to one of them";
  return "neither a PNG nor a JPEG (by its first bytes)";
}

void decode(ByteSpan file, const std::string& where, RowSink& sink, const std::atomic<bool>* stop) {
  const std::string_view head = text_of(file.first(std::min<std::size_t>(file.size(), 8)));
  if (head == "\x89PNG\r\n\x1a\n") return decode_png(file, where, sink, stop);
  if (head.starts_with("\xff\xd8\xff")) return decode_jpeg(file, where, sink, stop);
  throw DataError(where + ": " + not_a_picture(file));
}

}  // namespace

void check_size(std::uint64_t height, std::uint64_t width, std::int64_t most, const std::string& where) {
  if (width > 0 && height > 0 && width <= longest_side && height <= longest_side &&
      width * height <= static_cast<std::uint64_t>(most))
    return;
  throw DataError(where + ": an image of " + std::to_string(width) + "x" + std::to_string(height) + " pixels; up to " +
                  std::to_string(most >> 20) + " megapixels of 1,048,576 are read, and 65535 along a side");
}

Image decode_image(ByteSpan file, const std::string& where, const std::atomic<bool>* stop) {
  WholePicture whole(where);
  decode(file, where, whole, stop);
  return std::move(whole.image);
}

Image read_image(const std::filesystem::path& path, const std::atomic<bool>* stop) {
  return decode_image(read_file(path, largest_image_file, ExitCode::data), path.string(), stop);
}

ResizedImage decode_resized(ByteSpan file, const std::string& where, std::int64_t height, std::int64_t width,
                            const std::atomic<bool>* stop) {
  ResizedPicture resized(height, width);
  decode(file, where, resized, stop);
  return resized.finish();
}

ResizedImage read_resized(const std::filesystem::path& path, std::int64_t height, std::int64_t width,
                          const std::atomic<bool>* stop) {
  return decode_resized(read_file(path, largest_image_file, ExitCode::data), path.string(), height, width, stop);
}

bool has_image_name(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

}  // namespace tessera
