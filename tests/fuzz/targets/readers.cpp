#include "tests/fuzz/targets/readers.h"

#include "engine/core/foreign_text.h"
#include "engine/data/cifar_binary.h"
#include "engine/data/cifar_python.h"
#include "engine/files/csv.h"
#include "engine/files/floats.h"
#include "engine/files/gzip.h"
#include "engine/files/keras.h"
#include "engine/files/manifest.h"
#include "engine/files/npy.h"
#include "engine/files/safetensors.h"
#include "engine/files/state_dict.h"
#include "engine/files/tar.h"
#include "engine/image/decode.h"
#include "engine/report/html.h"
#include "engine/run/config.h"

namespace tessera::fuzz {

namespace {
void numbers_of(const TensorFile& file) {
  for (const TensorEntry& tensor : file.tensors()) try {
      to_float32(tensor, "fuzz");
    } catch (const Error&) {}
}
}  // namespace

void safetensors(ByteSpan input) { numbers_of(Safetensors::parse({input.begin(), input.end()}, "fuzz")); }

void torch_state(ByteSpan input) { numbers_of(parse_torch({input.begin(), input.end()}, "fuzz")); }
void paddle_state(ByteSpan input) { numbers_of(parse_paddle({input.begin(), input.end()}, "fuzz")); }
void npz(ByteSpan input) { numbers_of(parse_npz({input.begin(), input.end()}, "fuzz")); }
void keras_weights(ByteSpan input) { numbers_of(parse_keras({input.begin(), input.end()}, "fuzz")); }

void manifest(ByteSpan input) {
  const Manifest read = parse_manifest(std::string(text_of(input)), "fuzz");
  parse_manifest(to_json(read), "again");  // what was read can be written, and read again
}

void config(ByteSpan input) {
  const RunConfig read = parse_run_config(std::string(text_of(input)), "fuzz");
  parse_run_config(to_json(read), "again");
}

void csv(ByteSpan input) {
  const CsvTable table = parse_csv(text_of(input), "fuzz");
  const CsvTable again = parse_csv(to_csv(table), "again");
  if (again.columns != table.columns || again.rows != table.rows) __builtin_trap();
}

void image(ByteSpan input) {
  decode_resized(input, "fuzz", 7, 5);
  decode_image(input, "fuzz");
}

namespace {
void each_cifar(void (*read)(ByteSpan, const cifar::Set&, const cifar::Labels&), ByteSpan input) {
  for (const cifar::Set& set : cifar::sets())
    for (const cifar::Labels& labels : set.labels) {
      try {
        read(input, set, labels);
      } catch (const Error&) {}
    }
}
}  // namespace

void cifar_binary(ByteSpan input) {
  each_cifar([](ByteSpan in, const cifar::Set& set, const cifar::Labels& of) { parse_cifar_binary(in, set, of, "fuzz"); },
             input);
}
void cifar_python(ByteSpan input) {
  each_cifar([](ByteSpan in, const cifar::Set& set, const cifar::Labels& of) { parse_cifar_python(in, set, of, "fuzz"); },
             input);
}
void names(ByteSpan input) {
  each_cifar([](ByteSpan in, const cifar::Set&, const cifar::Labels& of) { parse_cifar_python_names(in, of, "fuzz"); },
             input);
}
void gzip_stream(ByteSpan input) { gunzip(input, std::uint64_t{1} << 26, "fuzz", ExitCode::data); }

void tar(ByteSpan input) {
  TarGzReader archive(input, "fuzz");
  while (const std::optional<TarMember> member = archive.next())
    if (member->size < (1u << 20)) archive.read();
}

void text(ByteSpan input) {
  for (const Keep keep : {Keep::nothing, Keep::lines})
    for (const char c : escaped(text_of(input), keep))
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) __builtin_trap();
  printable(text_of(input));
  escape_html(text_of(input));
}

}  // namespace tessera::fuzz
