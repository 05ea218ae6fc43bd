// The element types of tensors in files, by the words that safetensors has for them. More than kernels know: files hold
// counters and half floats that are converted or ignored on load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tessera {

enum class ElementType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

struct ElementTypeRow {
  ElementType type;
  std::string_view word;
  std::size_t size;  // bytes
};

inline constexpr ElementTypeRow element_types[] = {
    {ElementType::f64, "F64", 8},     {ElementType::f32, "F32", 4}, {ElementType::f16, "F16", 2},
    {ElementType::bf16, "BF16", 2},   {ElementType::i64, "I64", 8}, {ElementType::i32, "I32", 4},
    {ElementType::i16, "I16", 2},     {ElementType::i8, "I8", 1},   {ElementType::u64, "U64", 8},
    {ElementType::u32, "U32", 4},     {ElementType::u16, "U16", 2}, {ElementType::u8, "U8", 1},
    {ElementType::boolean, "BOOL", 1}};  // in the order of the enum

constexpr std::size_t size_of(ElementType type) { return element_types[static_cast<std::size_t>(type)].size; }
constexpr std::string_view word_of(ElementType type) { return element_types[static_cast<std::size_t>(type)].word; }

constexpr std::optional<ElementType> element_type_of(std::string_view word) {
  for (const ElementTypeRow& row : element_types)
    if (row.word == word) return row.type;
  return std::nullopt;
}

}  // namespace tessera
