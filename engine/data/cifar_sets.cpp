#include "engine/data/cifar_sets.h"

namespace tessera::cifar {
namespace {

constexpr const char* cifar10_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                         "dog",      "frog",       "horse", "ship", "truck"};
constexpr Labels cifar10_labels[] = {{.word = "",
                                      .byte = 0,
                                      .classes = 10,
                                      .names_text = "batches.meta.txt",
                                      .key = "labels",
                                      .names_key = "label_names",
                                      .standard_names = cifar10_names}};

constexpr Labels cifar100_labels[] = {{.word = "fine",
                                       .byte = 1,
                                       .classes = 100,
                                       .names_text = "fine_label_names.txt",
                                       .key = "fine_labels",
                                       .names_key = "fine_label_names",
                                       .standard_names = {}},
                                      {.word = "coarse",
                                       .byte = 0,
                                       .classes = 20,
                                       .names_text = "coarse_label_names.txt",
                                       .key = "coarse_labels",
                                       .names_key = "coarse_label_names",
                                       .standard_names = {}}};

constexpr Set all[] = {{.name = "CIFAR-10",
                        .train = "data_batch_",
                        .test = "test_batch",
                        .names = "batches.meta",
                        .train_files = 5,
                        .images_per_train = 10000,
                        .images_test = 10000,
                        .labels = cifar10_labels},
                       {.name = "CIFAR-100",
                        .train = "train",
                        .test = "test",
                        .names = "meta",
                        .train_files = 1,
                        .images_per_train = 50000,
                        .images_test = 10000,
                        .labels = cifar100_labels}};

}  // namespace

std::span<const Set> sets() { return all; }

}  // namespace tessera::cifar
