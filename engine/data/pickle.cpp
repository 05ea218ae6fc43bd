#include "engine/data/pickle.h"

#include <algorithm>
#include <array>

namespace tessera {
namespace {

using Kind = Pickle::Kind;
using Ref = Pickle::Ref;

constexpr std::size_t most_values = 2'000'000, most_marks = 64;
constexpr std::size_t longest_name = 200;

enum Name : std::int64_t { reconstruct, ndarray, dtype };
constexpr std::array<std::string_view, 3> known_names = {"numpy.core.multiarray._reconstruct", "numpy.ndarray",
                                                         "numpy.dtype"};

}  // namespace

// The stack machine. Each opcode is one byte, some with an argument behind it.
class PickleMachine {
 public:
  PickleMachine(ByteSpan file, const std::string& where) : file_(file), result_(where) {}

  Pickle run() {
    if (file_.size() < 2 || file_[0] != std::byte{0x80} || file_[1] != std::byte{2})
      broken(0, "no pickle of protocol 2 (an error page? a file that another Python wrote?)");
    next_ = 2;
    while (true) {
      at_ = next_;
      const auto opcode = static_cast<unsigned char>(take(1)[0]);
      if (opcode == '.') break;
      step(opcode);
    }
    if (stack_.size() != 1 || !marks_.empty())
      broken(at_, "the pickle ends with a stack of " + std::to_string(stack_.size()));
    if (next_ != file_.size()) broken(next_, "the file goes on behind the end of the pickle");
    result_.root_ = stack_[0];
    return std::move(result_);
  }

 private:
  void step(unsigned char opcode) {
    switch (opcode) {
      case 'N': return push({.kind = Kind::none});
      case 0x88: return push({.kind = Kind::boolean, .integer = 1});
      case 0x89: return push({.kind = Kind::boolean, .integer = 0});
      case 'J': return push_integer(static_cast<std::int32_t>(little_endian(4)));
      case 'K': return push_integer(static_cast<std::int64_t>(little_endian(1)));
      case 'M': return push_integer(static_cast<std::int64_t>(little_endian(2)));
      case 0x8a: return push_long();
      case 'U': return push_text(little_endian(1));
      case 'T': return push_text(little_endian(4));  // signed in Python; a negative length is past any file's end
      case 'X': return push_text(little_endian(4));
      case ']': return push({.kind = Kind::list});
      case '}': return push({.kind = Kind::dict});
      case ')': return push({.kind = Kind::tuple});
      case 0x85: return push_tuple(stack_above(1));
      case 0x86: return push_tuple(stack_above(2));
      case 0x87: return push_tuple(stack_above(3));
      case 't': return push_tuple(above_mark());
      case '(': return push_mark();
      case 'a': return extend(Kind::list, stack_above(1));
      case 'e': return extend(Kind::list, above_mark());
      case 's': return extend(Kind::dict, stack_above(2));
      case 'u': return extend(Kind::dict, above_mark());
      case 'q': return remember(little_endian(1));
      case 'r': return remember(little_endian(4));
      case 'h': return recall(little_endian(1));
      case 'j': return recall(little_endian(4));
      case 'c': return push_name();
      case 'R': return reduce();
      case 'b': return build();
      default: break;
    }
    constexpr char digits[] = "0123456789abcdef";
    broken(at_, std::string("opcode 0x") + digits[opcode >> 4] + digits[opcode & 15] +
                    " is not among those that CIFAR files use; it is refused");
  }

  [[noreturn]] void broken(std::size_t offset, const std::string& reason) const {
    throw DataError(result_.where_ + ": byte " + std::to_string(offset) + ": " + reason);
  }

  ByteSpan take(std::uint64_t count) {
    if (count > file_.size() - next_)
      broken(at_, "the pickle ends too early: " + std::to_string(count) + " bytes wanted, " +
                      std::to_string(file_.size() - next_) + " left; the file was cut, fetch it again");
    const ByteSpan bytes = file_.subspan(next_, static_cast<std::size_t>(count));
    next_ += static_cast<std::size_t>(count);
    return bytes;
  }
  std::uint64_t little_endian(std::size_t count) {
    const ByteSpan bytes = take(count);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    return value;
  }
  std::string_view line() {
    const std::string_view rest = text_of(file_.subspan(next_)).substr(0, longest_name + 1);
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) broken(next_, "a name of more than 200 bytes");
    next_ += end + 1;
    return rest.substr(0, end);
  }

  // ---- values
  Ref make(Pickle::Value value) {
    if (result_.values_.size() == most_values) broken(at_, "more than 2000000 values");
    result_.values_.push_back(std::move(value));
    return static_cast<Ref>(result_.values_.size() - 1);
  }
  void push(Pickle::Value value) { stack_.push_back(make(std::move(value))); }
  void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value}); }
  void push_text(std::uint64_t length) { push({.kind = Kind::text, .bytes = take(length)}); }
  void push_long() {
    const std::uint64_t length = little_endian(1);
    if (length > 8) broken(at_, "an integer of " + std::to_string(length) + " bytes");
    std::uint64_t bits = little_endian(static_cast<std::size_t>(length));
    if (length > 0 && length < 8 && (bits >> (8 * length - 1) & 1) != 0) bits |= ~std::uint64_t{0} << (8 * length);
    push_integer(static_cast<std::int64_t>(bits));
  }
  void push_tuple(std::vector<Ref> items) { push({.kind = Kind::tuple, .items = std::move(items)}); }
  void push_mark() {
    if (marks_.size() == most_marks) broken(at_, "nested deeper than 64 marks");
    marks_.push_back(stack_.size());
  }

  // What lies above the last mark may be taken; below it, only MARK's own opcodes reach.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<Ref> stack_above(std::size_t count) {
    if (stack_.size() - floor() < count) broken(at_, "the pickle takes from an empty stack");
    std::vector<Ref> taken(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return taken;
  }
  std::vector<Ref> above_mark() {
    if (marks_.empty()) broken(at_, "the pickle goes back to a mark that is not there");
    std::vector<Ref> taken = stack_above(stack_.size() - marks_.back());
    marks_.pop_back();
    return taken;
  }
  Ref top() const {
    if (stack_.size() == floor()) broken(at_, "the pickle looks at an empty stack");
    return stack_.back();
  }
  Pickle::Value& value(Ref ref) { return result_.values_[ref]; }

  void extend(Kind kind, const std::vector<Ref>& items) {
    Pickle::Value& to = value(top());
    if (to.kind != kind) broken(at_, std::string("adds to a ") + name_of(to.kind) + " as if it were a " + name_of(kind));
    if (kind == Kind::dict && items.size() % 2 != 0) broken(at_, "a key without a value");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }

  // ---- the memo
  void remember(std::uint64_t number) {
    if (number >= most_values) broken(at_, "memo number " + std::to_string(number) + "; at most 1999999 are kept");
    if (number >= memo_.size()) memo_.resize(static_cast<std::size_t>(number) + 1, nothing);
    memo_[static_cast<std::size_t>(number)] = top();
  }
  void recall(std::uint64_t number) {
    if (number >= memo_.size() || memo_[static_cast<std::size_t>(number)] == nothing)
      broken(at_, "memo number " + std::to_string(number) + " was never stored");
    if (stack_.size() >= most_values) broken(at_, "more than 2000000 values on the stack");
    stack_.push_back(memo_[static_cast<std::size_t>(number)]);
  }

  // ---- names, and what is recognised of them
  void push_name() {
    const std::string_view module = line(), attribute = line();
    const std::string name = std::string(module) + "." + std::string(attribute);
    const auto known = std::find(known_names.begin(), known_names.end(), name);
    if (known == known_names.end())
      broken(at_, "the pickle asks for " + printable(name) + ", which is no part of CIFAR; nothing was executed");
    push({.kind = Kind::name, .integer = known - known_names.begin()});
  }
  bool is_name(Ref ref, Name name) { return value(ref).kind == Kind::name && value(ref).integer == name; }
  bool is_text(Ref ref, std::string_view text) { return value(ref).kind == Kind::text && text_of(value(ref).bytes) == text; }
  bool is_integer(Ref ref, std::int64_t number) { return value(ref).kind == Kind::integer && value(ref).integer == number; }

  // _reconstruct(ndarray, (0,), 'b') is an array still without elements; dtype('u1', …) is the type of unsigned bytes.
  void reduce() {
    const std::vector<Ref> call = stack_above(2);
    const std::vector<Ref> arguments = value(call[1]).items;
    if (value(call[1]).kind == Kind::tuple && arguments.size() == 3) {
      if (is_name(call[0], reconstruct) && is_name(arguments[0], ndarray)) return push({.kind = Kind::array});
      if (is_name(call[0], dtype) && is_text(arguments[0], "u1")) return push({.kind = Kind::dtype});
    }
    broken(at_, "a call that is neither an empty array nor the type of unsigned bytes; nothing was executed");
  }

  // An array's state: (1, (rows, columns), dtype, is Fortran order, elements). A dtype's: (3, '|', …), one byte an element.
  void build() {
    const std::vector<Ref> taken = stack_above(1);
    const Pickle::Value& state = value(taken[0]);
    const Ref target = top();
    if (state.kind != Kind::tuple) broken(at_, "a state that is no tuple");
    if (value(target).kind == Kind::dtype) {
      if (state.items.size() < 2 || !is_text(state.items[1], "|")) broken(at_, "an element type with a byte order");
      return;
    }
    if (value(target).kind != Kind::array || !value(target).items.empty())
      broken(at_, std::string("a state given to a ") + name_of(value(target).kind));
    if (state.items.size() != 5 || !is_integer(state.items[0], 1) || value(state.items[1]).kind != Kind::tuple ||
        value(state.items[2]).kind != Kind::dtype || value(state.items[3]).kind != Kind::boolean ||
        value(state.items[3]).integer != 0 || value(state.items[4]).kind != Kind::text)
      broken(at_, "an array that is not of unsigned bytes in C order");
    const std::vector<Ref> extents = value(state.items[1]).items;
    const ByteSpan elements = value(state.items[4]).bytes;
    std::uint64_t count = 1;
    for (const Ref extent : extents)
      if (value(extent).kind != Kind::integer || value(extent).integer < 0 ||
          __builtin_mul_overflow(count, static_cast<std::uint64_t>(value(extent).integer), &count))
        broken(at_, "an array with extents that are no numbers, or too large");
    if (extents.empty() || count != elements.size())
      broken(at_, "an array of " + std::to_string(count) + " bytes by its extents, but with " +
                      std::to_string(elements.size()) + " bytes");
    value(target).items = extents;
    value(target).bytes = elements;
  }

  static constexpr Ref nothing = ~Ref{0};

  ByteSpan file_;
  std::size_t next_ = 0, at_ = 0;  // what is read next; where the current opcode stands
  Pickle result_;
  std::vector<Ref> stack_, memo_;
  std::vector<std::size_t> marks_;  // heights of the stack
};

Pickle Pickle::decode(ByteSpan file, const std::string& where) { return PickleMachine(file, where).run(); }

const Pickle::Value& Pickle::at(std::string_view key, Kind kind) const {
  const Value& dict = values_[root_];
  if (dict.kind != Kind::dict) throw DataError(where_ + ": holds a " + name_of(dict.kind) + ", not a dictionary");
  const Value* found = nullptr;
  for (std::size_t i = 0; i < dict.items.size(); i += 2) {
    const Value& candidate = values_[dict.items[i]];
    if (candidate.kind != Kind::text || text_of(candidate.bytes) != key) continue;
    if (found) throw DataError(where_ + ": has " + printable(key) + " twice");
    found = &values_[dict.items[i + 1]];
  }
  if (!found) throw DataError(where_ + ": has no " + printable(key));
  if (found->kind != kind)
    throw DataError(where_ + ": " + printable(key) + " is a " + name_of(found->kind) + ", not a " + name_of(kind));
  return *found;
}

const char* name_of(Pickle::Kind kind) {
  switch (kind) {
    case Kind::none: return "none";
    case Kind::boolean: return "boolean";
    case Kind::integer: return "integer";
    case Kind::text: return "text";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::dict: return "dictionary";
    case Kind::name: return "name";
    case Kind::dtype: return "dtype";
    case Kind::array: return "array";
  }
  return "?";
}

}  // namespace tessera
