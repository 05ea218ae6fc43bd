#include "tessera/tessera_c.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "engine/files/weights_file.h"
#include "engine/image/channels.h"
#include "engine/image/resize.h"
#include "engine/run/answers.h"
#include "engine/run/int8_file.h"
#include "engine/train/batches.h"
#include "engine/train/evaluate.h"
#include "kernels/errors.h"
#include "models/saved_network.h"

using namespace tessera;

struct tessera_network {
  std::mutex mutex;  // one call at a time
  std::shared_ptr<Device> device;
  SavedNetwork saved;
  std::optional<Inference> inference;  // of saved: goes first
  Normalization normalization;
  std::vector<std::string> names;  // of the classes
};

namespace {

constexpr std::int64_t most_together = 64;  // images in a batch: larger ones take memory and are no faster

std::string& last_error() {
  thread_local std::string text;
  return text;
}

// Runs a call's body; what it throws becomes the call's code.
template <class Body>
int guarded(const Body& body) noexcept {
  const auto failed = [](int code, const char* what) {
    try {
      last_error() = what;
    } catch (...) {  // no memory for the words
      last_error().clear();
    }
    return code;
  };
  try {
    last_error().clear();
    body();
    return TESSERA_OK;
  } catch (const Error& error) {
    return failed(static_cast<int>(error.code), error.what());
  } catch (const kernels::DeviceError& error) {
    return failed(TESSERA_DEVICE, error.what());
  } catch (const std::bad_alloc&) {
    return failed(TESSERA_DEVICE, "out of memory");
  } catch (const std::exception& error) {
    return failed(TESSERA_INTERNAL, error.what());
  } catch (...) {
    return failed(TESSERA_INTERNAL, "a fault of another kind");
  }
}

void require_usage(bool holds, const char* what) {
  if (!holds) throw UsageError(what);
}

ImageSet resized(const std::uint8_t* pixels, std::int64_t count, std::int64_t height, std::int64_t width,
                 const Shape& input) {
  ImageSet set{.count = count, .height = input[0], .width = input[1], .channels = input[2]};
  const auto bytes = static_cast<std::size_t>(height * width * 3);
  set.labels.assign(static_cast<std::size_t>(count), 0);
  set.pixels.reserve(static_cast<std::size_t>(count * set.image_size()));
  for (std::int64_t i = 0; i < count; ++i, pixels += bytes) {
    const Image image = resize_bicubic({height, width, {pixels, pixels + bytes}}, input[0], input[1]);
    const std::vector<std::uint8_t> own = with_channels(image.pixels, 3, input[2]);
    set.pixels.insert(set.pixels.end(), own.begin(), own.end());
  }
  return set;
}

void predict_batch(tessera_network& net, const ImageSet& images, float* to) {
  const ImageBatches source(DeviceImages::upload(images, net.device),
                            gather_params(net.normalization, Augmentation::none, 0));
  const std::vector<float> logits = predict(*net.inference, source, images.count);
  const std::size_t outputs = logits.size() / static_cast<std::size_t>(images.count);
  for (std::size_t begin = 0; begin < logits.size(); begin += outputs) {
    const auto row = std::span(logits).subspan(begin, outputs);
    if (!std::all_of(row.begin(), row.end(), [](float z) { return std::isfinite(z); }))
      throw NonFiniteError("the network's outputs are not finite: these weights are of no use");
    for (const double p : probabilities(row)) *to++ = static_cast<float>(p);
  }
}

}  // namespace

tessera_network* tessera_load(const char* weights, const tessera_options* options) {
  std::unique_ptr<tessera_network> net;
  const int code = guarded([&] {
    require_usage(weights, "tessera_load: no file was named");
    const tessera_options o = options ? *options : tessera_options{};
    require_usage(o.threads >= 0, "tessera_load: a negative number of threads");
    net = std::make_unique<tessera_network>();
    const TensorFile file = read_weights(weights);
    RunConfig config = config_of(file, o.network ? o.network : "");
    config.device = o.device ? o.device : "cpu";
    if (is_int8(file)) require_int8_device(config);
    net->device = Device::open({.device = config.device, .options = {.threads = o.threads}});
    net->saved = load_network(file, config, net->device, Int8Weights::accepted);
    net->inference.emplace(*net->saved.network, net->saved.quantization);
    net->normalization = config.recipe.normalization;
    net->names = output_names(class_names_of(file), classes_of(net->saved.network->outputs()));
  });
  return code == TESSERA_OK ? net.release() : nullptr;
}

void tessera_free(tessera_network* network) { delete network; }

int tessera_predict(tessera_network* network, const uint8_t* pixels, int64_t count, int64_t height, int64_t width,
                    float* probabilities) {
  return guarded([&] {
    require_usage(network && pixels && probabilities, "tessera_predict: a null pointer");
    require_usage(count >= 0, "tessera_predict: a negative number of images");
    constexpr std::int64_t most = 1 << 20;  // so that no product of sizes overflows
    require_usage(height > 0 && width > 0 && height <= most && width <= most,
                  "tessera_predict: images of no size, or larger than 1,048,576 along a side");
    const std::lock_guard lock(network->mutex);
    const Shape input = network->saved.network->input();
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t here = std::min(count - done, most_together);
      predict_batch(*network, resized(pixels, here, height, width, input), probabilities);
      done += here, pixels += here * height * width * 3, probabilities += here * tessera_classes(network);
    }
  });
}

int64_t tessera_classes(const tessera_network* network) { return network ? static_cast<int64_t>(network->names.size()) : 0; }

const char* tessera_class_name(const tessera_network* network, int64_t index) {
  return index >= 0 && index < tessera_classes(network) ? network->names[static_cast<std::size_t>(index)].c_str() : nullptr;
}

void tessera_input_size(const tessera_network* network, int64_t* height, int64_t* width) {
  const Shape input = network ? network->saved.network->input() : Shape{0, 0, 3};
  if (height) *height = input[0];
  if (width) *width = input[1];
}

const char* tessera_last_error(void) { return last_error().c_str(); }
const char* tessera_version(void) { return TESSERA_VERSION; }
