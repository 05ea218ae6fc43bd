// What is fuzzed, a function each. An input must end in a result or in an Error; anything else (a crash, a sanitizer's
// report, another exception, more memory or time than allowed) stops the fuzzer.
#pragma once

#include "engine/files/io.h"

namespace tessera::fuzz {

void safetensors(ByteSpan input);
void manifest(ByteSpan input);
void config(ByteSpan input);
void csv(ByteSpan input);
void image(ByteSpan input);
void cifar_binary(ByteSpan input);
void cifar_python(ByteSpan input);
void names(ByteSpan input);
void gzip_stream(ByteSpan input);
void tar(ByteSpan input);
void text(ByteSpan input);

void torch_state(ByteSpan input);  // other programs' weights
void paddle_state(ByteSpan input);
void npz(ByteSpan input);
void keras_weights(ByteSpan input);  // by the HDF5 library, in this process (in_process.cpp)

void archive(ByteSpan input);  // a .tar.gz as a data set
void idx(ByteSpan input);      // a file of images, and behind a mark the one of labels

void network(ByteSpan input);  // a weights file becomes a network, which answers
void resume(ByteSpan input);   // config.json, a zero byte, state.json of a run that is resumed for a step

}  // namespace tessera::fuzz
