// State dicts of PyTorch and Paddle: dictionaries of names and tensors in Python pickles.
//
//   .pt, .pth    what torch.save writes since 1.6: a zip archive of NAME/data.pkl (a pickle whose tensors are views of storages)
//                and NAME/data/0, 1, … (the storages). The pickle holds a state dict, or a dictionary that has one under
//                'state_dict', 'model' or 'model_state_dict'.
//   .pdparams    what paddle.save writes: a pickle of NumPy arrays (protocols 2 to 5)
//
// Nothing is executed (pickle.h). Storages must have the bytes that type and count say, tensors must lie in their storage.
// Those that are no contiguous part of it are gathered, altogether into no more memory than the file has. All tensors together,
// counted as often as they share a storage, have at most 64 MiB and 16 times the file.
// Breaches are WeightsErrors.
// Source: torch/serialization.py, torch/_utils.py; paddle/framework/io.py.
#pragma once

#include <span>

#include "engine/files/tensor_file.h"
#include "engine/files/zip.h"

namespace tessera {

TensorFile parse_torch(Bytes file, const std::string& where);
TensorFile parse_paddle(Bytes file, const std::string& where);

// What torch.load(weights_only=True) gives as an OrderedDict of tensors, and paddle.load as one of arrays. Entries must have a
// type that the other side has; their bytes must outlive the result.
ZipWriter encode_torch(std::span<const TensorEntry> tensors);
Bytes encode_paddle(std::span<const TensorEntry> tensors);

}  // namespace tessera
