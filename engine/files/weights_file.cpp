#include "engine/files/weights_file.h"

#include <algorithm>

#include "engine/files/hdf5.h"
#include "engine/files/keras.h"
#include "engine/files/npy.h"
#include "engine/files/pickle_names.h"
#include "engine/files/safetensors.h"
#include "engine/files/state_dict.h"

namespace tessera {
namespace {

TensorFile parse_zip(Bytes file, const std::string& where) {
  bool has_arrays = false;
  {
    const ZipReader zip(file, where, ExitCode::weights);
    for (const ZipReader::Entry& entry : zip.entries()) {
      if (entry.name == "model.weights.h5") return parse_keras_archive(std::move(file), where);
      if (entry.name == "data.pkl" || entry.name.ends_with("/data.pkl")) return parse_torch(std::move(file), where);
      has_arrays = has_arrays || entry.name.ends_with(".npy");
    }
    if (!has_arrays && !zip.entries().empty())
      throw WeightsError(where +
                         ": a zip archive that is neither what torch.save or Keras write nor an .npz; its first entry is " +
                         printable(zip.entries()[0].name));
  }
  return parse_npz(std::move(file), where);
}

TensorFile parse_pickle(Bytes file, const std::string& where) {
  // torch.save before 1.6 began with its magic number, 0x1950a86a20f9469cfc6c.
  if (text_of(file).substr(2).starts_with("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"))
    throw WeightsError(
        where +
        ": is in the form of PyTorch before 1.6; load it there, and save it again by the torch.save of 1.6 or newer");
  return parse_paddle(std::move(file), where);
}

struct Format {
  std::string_view first;  // bytes
  TensorFile (*parse)(Bytes file, const std::string& where);
};
constexpr Format formats[] = {
    {"PK\x03\x04", parse_zip}, {"PK\x05\x06", parse_zip}, {"\x80", parse_pickle}, {hdf5_mark, parse_keras}};

constexpr std::size_t longest_mark = 9;  // bytes of a file by which its format is told

// The length of a header, whose lower bytes may be any other format's mark, and the header's beginning. Nothing that the
// formats below hold begins so: a zip's ninth byte would be a method or a count of entries there are not, a pickle's no opcode.
bool is_safetensors(std::string_view first) {
  return first.size() >= 9 && first.substr(4, 4) == std::string_view("\0\0\0\0", 4) && first[8] == '{';
}

// Null: safetensors, or nothing that is known, of which their reader says what it lacks.
const Format* format_of(std::string_view first) {
  if (is_safetensors(first)) return nullptr;
  for (const Format& format : formats)
    if (first.starts_with(format.first)) return &format;
  return nullptr;
}

void put_safetensors(const Output& output, std::span<const TensorEntry> tensors, const Metadata& metadata) {
  output.write(encode_safetensors(tensors, metadata, output.name()));
}

void put_npz(const Output& output, std::span<const TensorEntry> tensors, const Metadata&) {
  ZipWriter zip;
  std::list<Bytes> members;
  for (const TensorEntry& tensor : tensors) {
    if (numpy_word(tensor.dtype).empty())
      throw WeightsError("tensor " + printable(tensor.name) + ": NumPy has no " + std::string(word_of(tensor.dtype)));
    const std::string header = npy_header(tensor.dtype, tensor.shape);
    Bytes& member = members.emplace_back(bytes_of(header).begin(), bytes_of(header).end());
    member.insert(member.end(), tensor.bytes.begin(), tensor.bytes.end());
    zip.add(tensor.name + ".npy", member);
  }
  output.write(zip.finish());
}

void put_torch(const Output& output, std::span<const TensorEntry> tensors, const Metadata&) {
  output.write(encode_torch(tensors).finish());
}

void put_paddle(const Output& output, std::span<const TensorEntry> tensors, const Metadata&) {
  output.write(encode_paddle(tensors));
}

void put_keras(const Output& output, std::span<const TensorEntry> tensors, const Metadata&) {
  output.write(encode_keras(tensors));
}

void put_keras_listed(const Output& output, std::span<const TensorEntry> tensors, const Metadata&) {
  output.write(encode_keras_listed(tensors));
}

constexpr WeightsFormat written[] = {{".safetensors", TensorNames::torch, put_safetensors},
                                     {".npz", TensorNames::torch, put_npz},
                                     {".pth", TensorNames::torch, put_torch},
                                     {".pt", TensorNames::torch, put_torch},
                                     {".pdparams", TensorNames::paddle, put_paddle},
                                     {".weights.h5", TensorNames::keras, put_keras},
                                     {".h5", TensorNames::keras, put_keras_listed}};

}  // namespace

TensorFile parse_weights(Bytes file, const std::string& where) {
  const Format* format = format_of(text_of(file).substr(0, longest_mark));
  return format ? format->parse(std::move(file), where) : Safetensors::parse(std::move(file), where);
}

TensorFile read_weights(const std::filesystem::path& path, const SystemCalls& calls) {
  if (std::error_code ignored; !std::filesystem::is_directory(path, ignored)) {
    std::byte first[longest_mark] = {};
    {
      File file(path, File::Mode::read, ExitCode::weights, calls);
      file.read_exactly(
          std::span(first).first(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), sizeof first))));
    }
    if (const Format* format = format_of(text_of(first)))
      return format->parse(read_file(path, largest_file, ExitCode::weights, calls), shown(path));
  }
  return Safetensors::read(path, calls);
}

const WeightsFormat& format_to_write(const std::string& name) {
  for (const WeightsFormat& format : written)
    if (name.ends_with(format.ending)) return format;
  throw UsageError(printable(name) + ": weights are written as " + formats_written());
}

std::string formats_written() {
  std::string endings;
  for (const WeightsFormat& format : written) endings += (endings.empty() ? "" : ", ") + std::string(format.ending);
  return endings;
}

}  // namespace tessera
