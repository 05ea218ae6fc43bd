// libjpeg reports errors through a function that must not return. As in png.cpp, the calls that may jump are in functions
// that hold nothing but plain values.
#include "engine/image/codecs.h"

#ifdef TESSERA_WITH_JPEG

#include <csetjmp>
#include <cstdio>
#include <new>

#include <jpeglib.h>  // needs <cstdio> before it

#include <jerror.h>

namespace tessera {
namespace {

constexpr int most_scans = 100;  // of a progressive file; each costs a pass over the whole image

// What libjpeg's callbacks need; its own structure comes first, so that a pointer to that is a pointer to this.
struct Errors {
  jpeg_error_mgr base;
  std::jmp_buf back;
  char reason[JMSG_LENGTH_MAX];
};

Errors& errors_of(j_common_ptr jpeg) { return *reinterpret_cast<Errors*>(jpeg->err); }

[[noreturn]] void on_error(j_common_ptr jpeg) {
  Errors& errors = errors_of(jpeg);
  errors.base.format_message(jpeg, errors.reason);
  std::longjmp(errors.back, 1);
}

// Level -1 is a warning: damage that libjpeg would paper over with grey. Only those that lose no pixel are let pass.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  const int code = jpeg->err->msg_code;
  if (code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR) on_error(jpeg);
}

void on_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= most_scans) return;
  std::snprintf(errors_of(jpeg).reason, JMSG_LENGTH_MAX, "more than %d scans", most_scans);
  std::longjmp(errors_of(jpeg).back, 1);
}

class Decoder {
 public:
  Decoder() {
    jpeg_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_error;
    errors_.base.emit_message = on_message;
    progress_.progress_monitor = on_progress;
  }
  ~Decoder() { jpeg_destroy_decompress(&jpeg_); }  // fine on a decoder that was never created
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // False where libjpeg gave up.
  bool read_header(ByteSpan file) {
    if (setjmp(errors_.back) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &progress_;
    jpeg_.mem->max_memory_to_use = 256L << 20;
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(file.data()), static_cast<unsigned long>(file.size()));
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }
  std::uint64_t width() const { return jpeg_.image_width; }
  std::uint64_t height() const { return jpeg_.image_height; }
  std::uint64_t channels() const { return jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK ? 4 : 3; }
  bool inverted() const { return jpeg_.saw_Adobe_marker; }  // Adobe stores CMYK as 255 − value

  // `rows`: height rows of width·channels() bytes.
  bool read_pixels(std::uint8_t* rows) {
    if (setjmp(errors_.back) != 0) return false;
    jpeg_.out_color_space = channels() == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = rows + std::size_t{jpeg_.output_scanline} * jpeg_.output_width * channels();
      jpeg_read_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }
  [[noreturn]] void give_up(const std::string& where) const {
    if (errors_.base.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    throw DataError(where + ": damaged JPEG: " + errors_.reason);
  }

 private:
  jpeg_decompress_struct jpeg_ = {};
  Errors errors_ = {};
  jpeg_progress_mgr progress_ = {};
};

// a·b/255, rounded.
std::uint32_t times(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

void cmyk_to_rgb(const std::vector<std::uint8_t>& cmyk, bool inverted, std::vector<std::uint8_t>& rgb) {
  const std::uint8_t flip = inverted ? 255 : 0;
  for (std::size_t i = 0; i < cmyk.size() / 4; ++i) {
    const std::uint32_t white = 255u - (cmyk[4 * i + 3] ^ flip);
    for (std::size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<std::uint8_t>(white - times(cmyk[4 * i + c] ^ flip, white));
  }
}

}  // namespace

Image decode_jpeg(ByteSpan file, const std::string& where) {
  Decoder decoder;
  if (!decoder.read_header(file)) decoder.give_up(where);
  Image image = image_of(decoder.width(), decoder.height(), where);
  if (decoder.channels() == 3) {
    if (!decoder.read_pixels(image.pixels.data())) decoder.give_up(where);
    return image;
  }
  std::vector<std::uint8_t> cmyk(image.pixels.size() / 3 * 4);
  if (!decoder.read_pixels(cmyk.data())) decoder.give_up(where);
  cmyk_to_rgb(cmyk, decoder.inverted(), image.pixels);
  return image;
}

}  // namespace tessera

#else

namespace tessera {

Image decode_jpeg(ByteSpan, const std::string& where) {
  throw Error(ExitCode::failure, where + ": this build reads no JPEG; install libjpeg-dev and build again");
}

}  // namespace tessera

#endif
