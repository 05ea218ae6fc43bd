// Fields: how a struct of options describes itself, once, for everything that reads or writes it (files of a run, programs'
// options, reports). Each field is a line:
//
//   struct Options {
//     double momentum = 0;
//     template <class F>
//     void fields(F& f) {
//       f("momentum", momentum, {.help = "Share of the velocity that is kept", .least = 0, .most = 1});
//     }
//   };
//
// `f` is called with the name in files, the member and a note. Members may be bool, integers, double, std::string, enums
// with a table of words, structs with fields(), Spelled values, std::optional and std::vector of these, and std::variant of
// such structs, each of which names itself by `static constexpr const char* kind`. A member's initial value is what a file
// that does not have the field stands for: whoever adds one gives it the value that older versions behaved like.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace tessera {

// A value that is written as one word or text: text() gives it, parse() reads it back (none: it means nothing).
template <class T>
concept Spelled = requires(const T& value, std::string_view text) {
  { value.text() } -> std::convertible_to<std::string>;
  { T::parse(text) } -> std::same_as<std::optional<T>>;
};

struct FieldNote {
  const char* help = "";
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool above = false;  // least itself is not allowed
};

// Empty where a number is what the note allows, else what it must be: "must be from 1 to 1024". NaN and infinity never are.
std::string range_problem(const FieldNote& note, double value);

// An enum's words in files and on command lines: a function words(E) beside the enum gives its table.
template <class E>
struct Word {
  E value;
  const char* word;
};

template <class E>
concept Worded = std::is_enum_v<E> && requires {
  std::span<const Word<E>>(words(E{}));
};

template <Worded E>
const char* to_word(E value) {
  for (const Word<E>& w : words(E{}))
    if (w.value == value) return w.word;
  return "?";
}

template <Worded E>
std::optional<E> from_word(std::string_view word) {
  for (const Word<E>& w : words(E{}))
    if (word == w.word) return w.value;
  return {};
}

template <Worded E>
std::string all_words() {  // "fp32, tf32, bf16"
  std::string list;
  for (const Word<E>& w : words(E{})) list += (list.empty() ? "" : ", ") + std::string(w.word);
  return list;
}

// The kinds of a variant of options, in its order.
template <class Variant>
struct Kinds;
template <class... Options>
struct Kinds<std::variant<Options...>> {
  static constexpr std::array<const char*, sizeof...(Options)> all{Options::kind...};

  static std::string list() {
    std::string text;
    for (const char* kind : all) text += (text.empty() ? "" : ", ") + std::string(kind);
    return text;
  }
  // The options of that kind as they are without arguments; none where there is no such kind.
  static std::optional<std::variant<Options...>> make(std::string_view kind) {
    std::optional<std::variant<Options...>> made;
    (void)((kind == Options::kind ? (made.emplace(Options{}), true) : false) || ...);
    return made;
  }
};

template <class... Options>
const char* kind_of(const std::variant<Options...>& options) {
  return Kinds<std::variant<Options...>>::all[options.index()];
}

}  // namespace tessera
