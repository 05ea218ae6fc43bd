// The names that the pickle decoder knows, and what they stand for. Internal to pickle.cpp and the readers of NumPy's files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/files/element_type.h"

namespace tessera {

// What a name stands for. Several names may stand for one thing: NumPy 2 and Python 3 have moved some.
enum class PickleMeaning : std::uint8_t {
  reconstruct,
  ndarray,
  dtype,
  encode,
  tuple,
  ordered_dict,
  rebuild_tensor,
  rebuild_parameter,
  storage
};
struct PickleName {
  std::string_view name;
  PickleMeaning meaning;
  ElementType element = ElementType::u8;  // of a storage
};
inline constexpr PickleName known_names[] = {{"numpy.core.multiarray._reconstruct", PickleMeaning::reconstruct},
                                             {"numpy.ndarray", PickleMeaning::ndarray},
                                             {"numpy.dtype", PickleMeaning::dtype},  // what CIFAR's files use ends here
                                             {"numpy._core.multiarray._reconstruct", PickleMeaning::reconstruct},
                                             {"_codecs.encode", PickleMeaning::encode},
                                             {"builtins.tuple", PickleMeaning::tuple},
                                             {"__builtin__.tuple", PickleMeaning::tuple},
                                             {"collections.OrderedDict", PickleMeaning::ordered_dict},
                                             {"torch._utils._rebuild_tensor_v2", PickleMeaning::rebuild_tensor},
                                             {"torch._utils._rebuild_parameter", PickleMeaning::rebuild_parameter},
                                             {"torch.DoubleStorage", PickleMeaning::storage, ElementType::f64},
                                             {"torch.FloatStorage", PickleMeaning::storage, ElementType::f32},
                                             {"torch.HalfStorage", PickleMeaning::storage, ElementType::f16},
                                             {"torch.BFloat16Storage", PickleMeaning::storage, ElementType::bf16},
                                             {"torch.LongStorage", PickleMeaning::storage, ElementType::i64},
                                             {"torch.IntStorage", PickleMeaning::storage, ElementType::i32},
                                             {"torch.ShortStorage", PickleMeaning::storage, ElementType::i16},
                                             {"torch.CharStorage", PickleMeaning::storage, ElementType::i8},
                                             {"torch.ByteStorage", PickleMeaning::storage, ElementType::u8},
                                             {"torch.BoolStorage", PickleMeaning::storage, ElementType::boolean}};
inline constexpr std::size_t names_of_cifar = 3;

// NumPy's short words of element types.
inline constexpr std::pair<std::string_view, ElementType> numpy_words[] = {
    {"f8", ElementType::f64}, {"f4", ElementType::f32}, {"f2", ElementType::f16}, {"i8", ElementType::i64},
    {"i4", ElementType::i32}, {"i2", ElementType::i16}, {"i1", ElementType::i8},  {"u8", ElementType::u64},
    {"u4", ElementType::u32}, {"u2", ElementType::u16}, {"u1", ElementType::u8},  {"b1", ElementType::boolean}};

constexpr std::optional<ElementType> numpy_type(std::string_view word) {
  for (const auto& [known, type] : numpy_words)
    if (known == word) return type;
  return std::nullopt;
}

// Empty for BF16, which NumPy has not.
constexpr std::string_view numpy_word(ElementType type) {
  for (const auto& [word, known] : numpy_words)
    if (known == type) return word;
  return {};
}

}  // namespace tessera
