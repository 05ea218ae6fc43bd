#include "engine/data/open.h"

#include <system_error>

#include "engine/core/error.h"
#include "engine/data/cifar.h"
#include "engine/data/idx.h"
#include "engine/data/image_folder.h"
#include "engine/data/synthetic.h"

namespace tessera {
namespace fs = std::filesystem;

namespace {
constexpr DatasetFormat formats[] = {
    {"synthetic", "the word synthetic", is_synthetic, open_synthetic},
    {"CIFAR-10 binary", "a folder with data_batch_*.bin or test_batch.bin", is_cifar_binary, open_cifar_binary},
    {"CIFAR-10 python", "a folder with data_batch_* or test_batch (pickles)", is_cifar_python, open_cifar_python},
    {"CIFAR-10 archive", "a .tar.gz of either", is_cifar_archive, open_cifar_archive},
    {"IDX", "a folder with train-images-idx3-ubyte(.gz) or t10k-images-idx3-ubyte(.gz)", is_idx, open_idx},
    {"images", "a folder with train/<class>/*.png|jpg and test/<class>/*", is_image_folder, open_image_folder},
};
}  // namespace

std::span<const DatasetFormat> dataset_formats() { return formats; }

void poll(const OpenOptions& options) {
  if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed))
    throw Interrupted("stopped while loading data");
}

Dataset open_dataset(const std::string& data, const OpenOptions& options) {
  poll(options);
  const fs::path path(data);
  for (const DatasetFormat& format : formats)
    if (format.recognises(path)) return format.open(path, options);

  std::error_code error;
  const bool exists = fs::exists(path, error);
  if (data.empty() || error || !exists)
    throw DataError(printable(data) + ": " + (error ? error.message() : "no such file or folder") +
                    "; give the folder of a data set, or the word synthetic");
  std::string known;
  for (const DatasetFormat& format : formats) known += std::string(known.empty() ? "" : ", or ") + format.looks_like;
  throw DataError(printable(data) + ": no data set found there; looked for " + known);
}

}  // namespace tessera
