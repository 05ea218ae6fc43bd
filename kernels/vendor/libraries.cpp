#include "kernels/vendor/libraries.h"

#include "kernels/errors.h"

namespace tessera::kernels::vendor {
namespace {

const LibraryNames cudnn_names{
    .title = "cuDNN 9",
    .environment = "TESSERA_CUDNN",
    .files = {"libcudnn.so.9"},
    .python = {"nvidia/cudnn/lib"},
};

const LibraryNames cublas_names{
    .title = "cuBLAS",
    .environment = "TESSERA_CUBLAS",
    .files = {"libcublas.so.13", "libcublas.so.12"},
    .python = {"nvidia/cu13/lib", "nvidia/cublas/lib"},
};

template <class Function>
void find(const SharedLibrary& library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(library.symbol(name));
}

}  // namespace

#define TESSERA_FIND(function) find(library, #function, this->function);

Cudnn::Cudnn() : library(cudnn_names) {
  TESSERA_CUDNN_FUNCTIONS(TESSERA_FIND)
  const std::size_t version = cudnnGetVersion();
  if (version / 10000 != 9)
    throw DeviceError("cuDNN 9: '" + library.file() + "' is of version " + std::to_string(version) +
                      ", its numbers have another meaning; name cuDNN 9 in TESSERA_CUDNN or use --kernels own");
}

std::string Cudnn::version() const {
  const std::size_t v = cudnnGetVersion();
  return std::to_string(v / 10000) + "." + std::to_string(v % 10000 / 100) + "." + std::to_string(v % 100);
}

void Cudnn::check(cudnnStatus_t status, const std::string& what) const {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char message[512] = "";
  cudnnGetLastErrorString(message, sizeof message);
  throw DeviceError("cuDNN: " + what + " failed: " + cudnnGetErrorString(status) +
                    (message[0] ? std::string(" (") + message + ")" : ""));
}

Cublas::Cublas()
    : library(cublas_names){TESSERA_CUBLAS_FUNCTIONS(TESSERA_FIND) TESSERA_FIND(cublasGemmEx)}

      std::string Cublas::version() const {
  std::string text;
  for (const libraryPropertyType part : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL}) {
    int number = 0;
    check(cublasGetProperty(part, &number), "asking for its version");
    text += (text.empty() ? "" : ".") + std::to_string(number);
  }
  return text;
}

void Cublas::check(cublasStatus_t status, const std::string& what) const {
  if (status != CUBLAS_STATUS_SUCCESS) throw DeviceError("cuBLAS: " + what + " failed: " + cublasGetStatusString(status));
}

// Never deleted, hence never closed.
const Cudnn& cudnn() {
  static const Cudnn& library = *new Cudnn;
  return library;
}
const Cublas& cublas() {
  static const Cublas& library = *new Cublas;
  return library;
}

}  // namespace tessera::kernels::vendor
