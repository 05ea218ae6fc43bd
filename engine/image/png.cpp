// libpng reports errors by longjmp. It must not pass over C++ objects, so the calls that may jump are in functions that hold
// nothing but plain values; what needs destroying (the decoder, the rows) lives in their caller.
#include "engine/image/codecs.h"

#ifdef TESSERA_WITH_PNG

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace tessera {
namespace {

struct Source {
  const std::byte* next;
  std::size_t left;
  char reason[160];  // why libpng gave up
  bool out_of_memory = false;
};

// libpng's own message does not tell want of memory from damage.
png_voidp allocate(png_structp png, png_alloc_size_t bytes) {
  void* memory = std::malloc(bytes);
  if (!memory) static_cast<Source*>(png_get_mem_ptr(png))->out_of_memory = true;
  return memory;
}
void release(png_structp, png_voidp memory) { std::free(memory); }

void on_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->reason, message, sizeof source->reason - 1);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep to, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->left) png_error(png, "the file ends too early");
  std::memcpy(to, source->next, count);
  source->next += count;
  source->left -= count;
}

class Decoder {
 public:
  explicit Decoder(Source& source)
      : png_(png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning, &source, allocate, release)),
        info_(png_ ? png_create_info_struct(png_) : nullptr) {
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, &source, read_bytes);
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // False where libpng gave up.
  bool read_header(png_uint_32* width, png_uint_32* height) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
    png_set_chunk_malloc_max(png_, 1 << 20);
    png_set_chunk_cache_max(png_, 16);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // ours follow, with a message of our own
    png_read_info(png_, info_);
    *width = png_get_image_width(png_, info_);
    *height = png_get_image_height(png_, info_);
    return true;
  }

  bool interlaced() { return png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE; }
  Orientation orientation() {
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif) != 0)
      return exif_orientation({reinterpret_cast<const std::byte*>(exif), size});
#endif
    return {};
  }

  // From here on everything becomes 8-bit RGB.
  bool begin_pixels() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_expand(png_);    // palettes and few bits
    png_set_strip_16(png_);  // keeps the upper byte
    png_set_strip_alpha(png_);
    png_set_gray_to_rgb(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != std::size_t{3} * png_get_image_width(png_, info_))
      png_error(png_, "a pixel layout that does not become RGB");
    return true;
  }
  bool read_row(png_bytep row) {  // of one that is not interlaced
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_row(png_, row, nullptr);
    return true;
  }
  bool read_image(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_image(png_, rows);
    return true;
  }
  bool read_end() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_read_end(png_, nullptr);
    return true;
  }

 private:
  png_structp png_;
  png_infop info_;
};

[[noreturn]] void damaged(const std::string& where, std::size_t offset, const Source& source) {
  if (source.out_of_memory) throw std::bad_alloc();
  throw DataError(where + ": byte " + std::to_string(offset) + ": damaged PNG: " + source.reason);
}

}  // namespace

void decode_png(ByteSpan file, const std::string& where, RowSink& sink, const std::atomic<bool>* stop) {
  Source source{.next = file.data(), .left = file.size(), .reason = {}};
  Decoder decoder(source);
  const auto check = [&](bool ok) {
    if (!ok) damaged(where, file.size() - source.left, source);
  };
  png_uint_32 width = 0, height = 0;
  check(decoder.read_header(&width, &height));
  check_size(height, width, decoder.interlaced() ? most_whole_pixels : most_resized_pixels, where);
  sink.begin(height, width, decoder.orientation());
  check(decoder.begin_pixels());
  std::vector<std::uint8_t> pixels(std::size_t{3} * width * (decoder.interlaced() ? height : 1));
  if (decoder.interlaced()) {
    std::vector<png_bytep> rows;
    for (std::size_t y = 0; y < height; ++y) rows.push_back(pixels.data() + 3 * y * width);
    check(decoder.read_image(rows.data()));
    for (const png_bytep row : rows) sink.row(row);
  } else {
    for (png_uint_32 y = 0; y < height; ++y) {
      poll(stop);
      check(decoder.read_row(pixels.data()));
      sink.row(pixels.data());
    }
  }
  check(decoder.read_end());
}

}  // namespace tessera

#else

namespace tessera {

void decode_png(ByteSpan, const std::string& where, RowSink&, const std::atomic<bool>*) {
  throw Error(ExitCode::failure, where + ": this build reads no PNG; install libpng-dev and build again");
}

}  // namespace tessera

#endif
