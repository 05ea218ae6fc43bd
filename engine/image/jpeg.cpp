// libjpeg reports errors through a function that must not return. As in png.cpp, the calls that may jump are in functions
// that hold nothing but plain values.
#include "engine/image/codecs.h"

#ifdef TESSERA_WITH_JPEG

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <new>

#include <jpeglib.h>  // needs <cstdio> before it

#include <jerror.h>

namespace tessera {
namespace {

// Of a progressive file: each scan costs a pass over the whole image, so that a large one may have fewer.
constexpr std::int64_t most_scans = 100, least_most_scans = 20, most_scanned_pixels = most_scans << 24;
constexpr long most_coefficient_bytes = 1L << 30;
constexpr int exif_marker = JPEG_APP0 + 1;

// What libjpeg's callbacks need; its own structure comes first, so that a pointer to that is a pointer to this.
struct Errors {
  jpeg_error_mgr base;
  std::jmp_buf back;
  char reason[JMSG_LENGTH_MAX];
  const std::atomic<bool>* stop;
  bool stopped;  // no error, but a jump because of `stop`
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
  Errors& errors = errors_of(jpeg);
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(jpeg);
  const std::int64_t pixels = std::int64_t{decoder->image_width} * decoder->image_height;
  const std::int64_t most = std::clamp(most_scanned_pixels / pixels, least_most_scans, most_scans);
  errors.stopped = errors.stop != nullptr && errors.stop->load(std::memory_order_relaxed);
  if (!errors.stopped && decoder->input_scan_number <= most) return;
  std::snprintf(errors.reason, JMSG_LENGTH_MAX, "more than %d scans", static_cast<int>(most));
  std::longjmp(errors.back, 1);
}

class Decoder {
 public:
  explicit Decoder(const std::atomic<bool>* stop) {
    errors_.stop = stop;
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
    jpeg_.mem->max_memory_to_use = most_coefficient_bytes;
    jpeg_save_markers(&jpeg_, exif_marker, 0xffff);
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(file.data()), static_cast<unsigned long>(file.size()));
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }
  std::uint64_t width() const { return jpeg_.image_width; }
  std::uint64_t height() const { return jpeg_.image_height; }
  std::uint64_t channels() const { return jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK ? 4 : 3; }
  bool inverted() const { return jpeg_.saw_Adobe_marker; }  // Adobe stores CMYK as 255 − value

  Orientation orientation() const {
    constexpr std::string_view signature("Exif\0\0", 6);
    for (jpeg_saved_marker_ptr marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const ByteSpan data(reinterpret_cast<const std::byte*>(marker->data), marker->data_length);
      if (marker->marker == exif_marker && text_of(data).starts_with(signature))
        return exif_orientation(data.subspan(signature.size()));
    }
    return {};
  }

  bool begin_pixels() {
    if (setjmp(errors_.back) != 0) return false;
    jpeg_.out_color_space = channels() == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&jpeg_);
    return true;
  }
  bool read_row(std::uint8_t* row) {  // width·channels() bytes
    if (setjmp(errors_.back) != 0) return false;
    JSAMPROW rows = row;
    jpeg_read_scanlines(&jpeg_, &rows, 1);
    return true;
  }
  bool finish() {
    if (setjmp(errors_.back) != 0) return false;
    jpeg_finish_decompress(&jpeg_);
    return true;
  }
  bool stopped() const { return errors_.stopped; }
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

void decode_jpeg(ByteSpan file, const std::string& where, RowSink& sink, const std::atomic<bool>* stop) {
  Decoder decoder(stop);
  const auto check = [&](bool ok) {
    if (decoder.stopped()) throw Interrupted("stopped while reading a picture");
    if (!ok) decoder.give_up(where);
  };
  check(decoder.read_header(file));
  check_size(decoder.height(), decoder.width(), most_resized_pixels, where);
  sink.begin(static_cast<std::int64_t>(decoder.height()), static_cast<std::int64_t>(decoder.width()), decoder.orientation());
  check(decoder.begin_pixels());
  std::vector<std::uint8_t> row(decoder.width() * decoder.channels()), rgb(decoder.width() * 3);
  for (std::uint64_t y = 0; y < decoder.height(); ++y) {
    poll(stop);
    check(decoder.read_row(row.data()));
    if (decoder.channels() == 4) cmyk_to_rgb(row, decoder.inverted(), rgb);
    sink.row(decoder.channels() == 4 ? rgb.data() : row.data());
  }
  check(decoder.finish());
}

}  // namespace tessera

#else

namespace tessera {

void decode_jpeg(ByteSpan, const std::string& where, RowSink&, const std::atomic<bool>*) {
  throw Error(ExitCode::failure, where + ": this build reads no JPEG; install libjpeg-dev and build again");
}

}  // namespace tessera

#endif
