#include "engine/files/npy.h"

#include <charconv>

#include "engine/files/pickle_names.h"
#include "engine/files/zip.h"

namespace tessera {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

// {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& what) : rest_(text), what_(what) {}

  ElementType type = ElementType::f32;
  bool column_major = false;
  std::vector<std::int64_t> shape;

  void run() {
    expect("{");
    unsigned seen = 0;
    while (!accept("}")) {
      const std::string_view key = quoted();
      expect(":");
      if (key == "descr") {
        seen += 1, read_type(quoted());
      } else if (key == "fortran_order") {
        seen += 8, column_major = accept("True");
        if (!column_major) expect("False");
      } else if (key == "shape") {
        seen += 64, read_shape();
      } else {
        broken("a header with " + printable(key));
      }
      if (!accept(",") && !next("}")) broken("a header without a comma");
    }
    skip_blanks();
    if (!rest_.empty() || seen != 73) broken("a header that is not of 'descr', 'fortran_order' and 'shape', once each");
  }

 private:
  [[noreturn]] void broken(const std::string& reason) const { throw WeightsError(what_ + ": no NumPy array: " + reason); }
  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }
  bool next(std::string_view word) {
    skip_blanks();
    return rest_.starts_with(word);
  }
  bool accept(std::string_view word) {
    if (!next(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void expect(std::string_view word) {
    if (!accept(word)) broken("a header without " + printable(word) + " where it belongs");
  }
  std::string_view quoted() {
    const char* quote = accept("'") ? "'" : accept("\"") ? "\"" : nullptr;
    const std::size_t end = quote ? rest_.find(quote) : rest_.npos;
    if (end == rest_.npos) broken("a header without a text where one belongs");
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  void read_type(std::string_view word) {
    const std::optional<ElementType> known = word.empty() ? std::nullopt : numpy_type(word.substr(1));
    const bool ordered = word.starts_with('<') || (word.starts_with('|') && known && size_of(*known) == 1);
    if (!known || !ordered) broken("elements of type " + printable(word) + "; save them as little-endian float32 ('<f4')");
    type = *known;
  }
  void read_shape() {
    expect("(");
    while (!accept(")")) {
      skip_blanks();
      std::int64_t extent = 0;
      const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (problem != std::errc() || extent < 0 || shape.size() == 32) broken("a shape that is not of numbers");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      shape.push_back(extent);
      if (!accept(",") && !next(")")) broken("a shape without a comma");
    }
  }

  std::string_view rest_;
  const std::string& what_;
};

}  // namespace

std::string npy_header(ElementType type, const std::vector<std::int64_t>& shape) {
  std::string dims;
  for (const std::int64_t extent : shape) dims += std::to_string(extent) + ",";
  std::string header = "{'descr': '" + std::string(size_of(type) == 1 ? "|" : "<") + std::string(numpy_word(type)) +
                       "', 'fortran_order': False, 'shape': (" + dims + "), }";
  constexpr std::size_t preamble = 10;  // magic, version, header length
  header.append(63 - (preamble + header.size()) % 64, ' ');
  header += '\n';
  std::string start(magic);
  start += std::string("\x01\0", 2);
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  return start + header;
}

void write_npy(const Output& output, std::span<const float> values, const std::vector<std::int64_t>& shape,
               const std::atomic<bool>* stop) {
  const std::string start = npy_header(ElementType::f32, shape);
  const ByteSpan parts[] = {bytes_of(start), std::as_bytes(values)};
  output.write(parts, stop);
}

TensorEntry parse_npy(ByteSpan npy, const std::string& what, TensorFile& file) {
  const std::string_view text = text_of(npy);
  const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(text[at])); };
  if (text.size() < 12 || !text.starts_with(magic) || byte(6) < 1 || byte(6) > 3)
    throw WeightsError(what + ": no NumPy array of versions 1 to 3");
  const std::size_t start = byte(6) == 1 ? 10 : 12;
  const std::size_t length = byte(8) | byte(9) << 8 | (start == 12 ? byte(10) << 16 | byte(11) << 24 : 0);
  if (length > text.size() - start)
    throw WeightsError(what + ": no NumPy array: a header of " + std::to_string(length) + " bytes in one of " +
                       std::to_string(text.size()));
  HeaderParser header(text.substr(start, length), what);
  header.run();
  ByteSpan elements = npy.subspan(start + length);
  if (const std::uint64_t bytes = bytes_of_shape(header.type, header.shape, what); bytes != elements.size())
    throw WeightsError(what + ": type and shape take " + std::to_string(bytes) + " bytes, but there are " +
                       std::to_string(elements.size()));
  if (header.column_major && header.shape.size() > 1)
    elements = file.keep(to_row_major(elements, size_of(header.type), header.shape));
  return {{}, header.type, std::move(header.shape), elements};
}

TensorFile parse_npz(Bytes bytes, const std::string& where) {
  TensorFile file(where);
  ZipReader zip(file.keep(std::move(bytes)), where, ExitCode::weights);
  constexpr std::string_view ending = ".npy";
  for (const ZipReader::Entry& entry : zip.entries()) {
    const std::string what = where + ": zip entry " + printable(entry.name);
    if (!entry.name.ends_with(ending)) throw WeightsError(what + ": is no .npy file, as all in an .npz are");
    TensorEntry tensor = parse_npy(zip.read(entry), what, file);
    tensor.name = entry.name.substr(0, entry.name.size() - ending.size());
    file.add(std::move(tensor));
  }
  for (Bytes& inflated : zip.release()) file.keep(std::move(inflated));
  return file;
}

}  // namespace tessera
