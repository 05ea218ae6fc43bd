// The programs that faults are tried on, and how many of them.
#pragma once

#include "tests/faults/campaign.h"

namespace tessera::tests {

// TESSERA_FAULTS_ALL is set: every case, in place of a sample that takes a minute or two of two cores.
bool try_all();

std::string bytes_of_file(const std::filesystem::path& path);

// A file of CIFAR-10's binary version, of noise.
void make_records(const std::filesystem::path& path, int count);

// A small data set, a photo and weights/last.safetensors in `folder`.
void make_inputs(const std::filesystem::path& folder);

// The programs on these inputs; the first is a training, `finetune` is among them.
std::vector<Subject> subjects(const std::filesystem::path& folder);

// `count` numbers below `end`, the first ones close together, where a program sets itself up; all where there are no more.
std::vector<std::uint64_t> sample(std::uint64_t end, std::uint64_t count);

}  // namespace tessera::tests
