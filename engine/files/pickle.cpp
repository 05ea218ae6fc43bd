#include "engine/files/pickle.h"

#include <algorithm>

#include "engine/files/pickle_names.h"

namespace tessera {
namespace {

using Kind = Pickle::Kind;
using Ref = Pickle::Ref;
using Meaning = PickleMeaning;

constexpr std::size_t most_values = 2'000'000, most_marks = 64;
constexpr std::size_t longest_name = 200;
constexpr std::size_t highest_rank = 32;  // NumPy's, when these formats were made

}  // namespace

// The stack machine. Each opcode is one byte, some with an argument behind it.
class PickleMachine {
 public:
  PickleMachine(ByteSpan file, const std::string& where, Pickle::For use)
      : file_(file), weights_(use == Pickle::For::weights), result_(where, weights_ ? ExitCode::weights : ExitCode::data) {}

  Pickle run() {
    const auto newest = std::byte{weights_ ? std::uint8_t{5} : std::uint8_t{2}};
    if (file_.size() < 2 || file_[0] != std::byte{0x80} || file_[1] < std::byte{2} || file_[1] > newest)
      broken(0, weights_ ? "no pickle of protocols 2 to 5"
                         : "no pickle of protocol 2 (an error page? a file that another Python wrote?)");
    next_ = 2;
    while (true) {
      at_ = next_;
      const auto opcode = static_cast<unsigned char>(take(1)[0]);
      if (opcode == '.') break;
      if (!step(opcode) && !(weights_ && step_of_weights(opcode))) refuse(opcode);
    }
    if (stack_.size() != 1 || !marks_.empty())
      broken(at_, "the pickle ends with a stack of " + std::to_string(stack_.size()));
    if (next_ != file_.size()) broken(next_, "the file goes on behind the end of the pickle");
    result_.root_ = stack_[0];
    return std::move(result_);
  }

 private:
  // Both return whether they know the opcode.
  bool step(unsigned char opcode) {
    switch (opcode) {
      case 'N': push({.kind = Kind::none}); break;
      case 0x88: push({.kind = Kind::boolean, .integer = 1}); break;
      case 0x89: push({.kind = Kind::boolean, .integer = 0}); break;
      case 'J': push_integer(static_cast<std::int32_t>(little_endian(4))); break;
      case 'K': push_integer(static_cast<std::int64_t>(little_endian(1))); break;
      case 'M': push_integer(static_cast<std::int64_t>(little_endian(2))); break;
      case 0x8a: push_long(); break;
      case 'U': push_text(little_endian(1)); break;
      case 'T': push_text(little_endian(4)); break;  // signed in Python; a negative length is past any file's end
      case 'X': push_text(little_endian(4)); break;
      case ']': push({.kind = Kind::list}); break;
      case '}': push({.kind = Kind::dict}); break;
      case ')': push({.kind = Kind::tuple}); break;
      case 0x85: push_tuple(stack_above(1)); break;
      case 0x86: push_tuple(stack_above(2)); break;
      case 0x87: push_tuple(stack_above(3)); break;
      case 't': push_tuple(above_mark()); break;
      case '(': push_mark(); break;
      case 'a': extend(Kind::list, stack_above(1)); break;
      case 'e': extend(Kind::list, above_mark()); break;
      case 's': extend(Kind::dict, stack_above(2)); break;
      case 'u': extend(Kind::dict, above_mark()); break;
      case 'q': remember(little_endian(1)); break;
      case 'r': remember(little_endian(4)); break;
      case 'h': recall(little_endian(1)); break;
      case 'j': recall(little_endian(4)); break;
      case 'c': push_name(); break;
      case 'R': reduce(); break;
      case 'b': build(); break;
      default: return false;
    }
    return true;
  }

  // What protocols above 2 add, and what torch needs.
  bool step_of_weights(unsigned char opcode) {
    switch (opcode) {
      case 'C': push_text(little_endian(1)); break;
      case 'B': push_text(little_endian(4)); break;
      case 0x8c: push_text(little_endian(1)); break;
      case 0x8d: push_text(little_endian(8)); break;
      case 0x8e: push_text(little_endian(8)); break;
      case 'G': take(8), push({.kind = Kind::real}); break;  // no number with a fraction is ever needed
      case 0x93: push_stacked_name(); break;
      case 0x94: remember(memo_.size()); break;
      case 0x95:  // a frame: what it holds follows in any case
        if (const std::uint64_t length = little_endian(8); length > file_.size() - next_)
          broken(at_, "a frame of " + std::to_string(length) + " bytes, but " + std::to_string(file_.size() - next_) +
                          " are left");
        break;
      case 'Q': push_storage(); break;
      default: return false;
    }
    return true;
  }

  [[noreturn]] void refuse(unsigned char opcode) const {
    constexpr char digits[] = "0123456789abcdef";
    broken(at_, std::string("opcode 0x") + digits[opcode >> 4] + digits[opcode & 15] + " is not among those that " +
                    (weights_ ? "weights" : "CIFAR files") + " use; it is refused");
  }

  [[noreturn]] void broken(std::size_t offset, const std::string& reason) const {
    fail(result_.on_error_, result_.where_ + ": byte " + std::to_string(offset) + ": " + reason);
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
    push_known(module, attribute);
  }
  void push_stacked_name() {
    const std::vector<Ref> taken = stack_above(2);
    for (const Ref part : taken)
      if (value(part).kind != Kind::text || value(part).bytes.size() > longest_name)
        broken(at_, "a name that is no short text");
    push_known(text_of(value(taken[0]).bytes), text_of(value(taken[1]).bytes));
  }
  void push_known(std::string_view module, std::string_view attribute) {
    const std::string name = std::string(module) + "." + std::string(attribute);
    const std::size_t count = weights_ ? std::size(known_names) : names_of_cifar;
    for (std::size_t i = 0; i < count; ++i)
      if (known_names[i].name == name) return push({.kind = Kind::name, .integer = static_cast<std::int64_t>(i)});
    broken(at_, "the pickle asks for " + printable(name) + ", which is no part of " +
                    (weights_ ? "weights; nothing was executed. Save a state dict alone" : "CIFAR; nothing was executed"));
  }
  bool is_name(Ref ref, Meaning meaning) {
    return value(ref).kind == Kind::name && known_names[static_cast<std::size_t>(value(ref).integer)].meaning == meaning;
  }
  bool is(Ref ref, Kind kind) { return value(ref).kind == kind; }
  bool is_text(Ref ref, std::string_view text) { return value(ref).kind == Kind::text && text_of(value(ref).bytes) == text; }
  bool is_integer(Ref ref, std::int64_t number) { return value(ref).kind == Kind::integer && value(ref).integer == number; }

  // ('storage', torch.FloatStorage, '0', 'cpu', 6): numbers that lie outside the pickle.
  void push_storage() {
    const std::vector<Ref> taken = stack_above(1);
    const std::vector<Ref> id = value(taken[0]).items;
    if (!is(taken[0], Kind::tuple) || id.size() != 5 || !is_text(id[0], "storage") || !is_name(id[1], Meaning::storage) ||
        !is(id[2], Kind::text) || !is(id[4], Kind::integer))
      broken(at_, "a persistent id that is no storage of torch; it is refused");
    push({.kind = Kind::storage,
          .element = known_names[static_cast<std::size_t>(value(id[1]).integer)].element,
          .items = {id[2], id[4]}});
  }

  // _reconstruct(ndarray, (0,), 'b') is an array still without elements; dtype('u1', …) is the type of unsigned bytes.
  void reduce() {
    const std::vector<Ref> call = stack_above(2);
    const std::vector<Ref> arguments = value(call[1]).items;
    if (is(call[1], Kind::tuple)) {
      if (arguments.size() == 3) {
        if (is_name(call[0], Meaning::reconstruct) && is_name(arguments[0], Meaning::ndarray))
          return push({.kind = Kind::array});
        if (is_name(call[0], Meaning::dtype) && is(arguments[0], Kind::text))
          if (const auto type = numpy_type(text_of(value(arguments[0]).bytes));
              type && (weights_ || *type == ElementType::u8))
            return push({.kind = Kind::dtype, .element = *type});
      }
      if (weights_ && reduce_for_weights(call[0], arguments)) return;
    }
    broken(at_, std::string("a call that is neither an empty array nor ") +
                    (weights_ ? "a tensor, a type of numbers or a dictionary; nothing was executed"
                              : "the type of unsigned bytes; nothing was executed"));
  }

  bool reduce_for_weights(Ref function, const std::vector<Ref>& arguments) {
    if (is_name(function, Meaning::ordered_dict) && arguments.empty()) {
      push({.kind = Kind::dict});
    } else if (is_name(function, Meaning::tuple) && arguments.size() == 1 && is(arguments[0], Kind::tuple)) {
      push_again(arguments[0]);
    } else if (is_name(function, Meaning::encode) && arguments.size() == 2 && is(arguments[0], Kind::text) &&
               is_text(arguments[1], "latin1")) {
      push_bytes_of(value(arguments[0]).bytes);
    } else if (is_name(function, Meaning::rebuild_tensor) && (arguments.size() == 6 || arguments.size() == 7) &&
               is(arguments[0], Kind::storage) && is(arguments[1], Kind::integer) && is(arguments[2], Kind::tuple) &&
               is(arguments[3], Kind::tuple)) {
      push({.kind = Kind::tensor, .items = {arguments[0], arguments[1], arguments[2], arguments[3]}});
    } else if (is_name(function, Meaning::rebuild_parameter) && arguments.size() == 3 && is(arguments[0], Kind::tensor)) {
      push_again(arguments[0]);
    } else {
      return false;
    }
    return true;
  }

  void push_again(Ref ref) {
    if (stack_.size() >= most_values) broken(at_, "more than 2000000 values on the stack");
    stack_.push_back(ref);
  }

  // Python 3 writes bytes into protocol 2 as text of the characters 0 to 255.
  void push_bytes_of(ByteSpan text) {
    if (decoded_ + text.size() > file_.size())
      broken(at_, "more bytes than the file has, by decoding its text again and again");
    decoded_ += text.size();
    Bytes bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
      auto byte = std::to_integer<unsigned>(text[i]);
      if (byte >= 0x80) {  // two bytes of UTF-8
        if ((byte & 0xfe) != 0xc2 || i + 1 == text.size() || (std::to_integer<unsigned>(text[i + 1]) & 0xc0) != 0x80)
          broken(at_, "text that is not of the characters 0 to 255 stands for bytes");
        byte = (byte & 3) << 6 | (std::to_integer<unsigned>(text[++i]) & 0x3f);
      }
      bytes.push_back(static_cast<std::byte>(byte));
    }
    push({.kind = Kind::text, .bytes = result_.decoded_.emplace_back(std::move(bytes))});
  }

  // An array's state: (1, (rows, columns), dtype, is column-major, elements). A dtype's: (3, '<', …), or '|' for one byte an
  // element. torch gives its OrderedDict attributes, which say nothing about tensors.
  void build() {
    const std::vector<Ref> taken = stack_above(1);
    const Pickle::Value& state = value(taken[0]);
    const Ref target = top();
    if (weights_ && is(target, Kind::dict) && state.kind == Kind::dict) return;
    if (state.kind != Kind::tuple) broken(at_, "a state that is no tuple");
    if (is(target, Kind::dtype)) {
      const bool one_byte = size_of(value(target).element) == 1;
      if (state.items.size() < 2 || !(is_text(state.items[1], "|") || (weights_ && is_text(state.items[1], "<"))) ||
          (!one_byte && is_text(state.items[1], "|")))
        broken(at_, weights_ ? "an element type that is not little-endian" : "an element type with a byte order");
      return;
    }
    if (!is(target, Kind::array) || !value(target).items.empty())
      broken(at_, std::string("a state given to a ") + name_of(value(target).kind));
    const char* expected = weights_ ? "an array whose state is not of extents, type, order and elements"
                                    : "an array that is not of unsigned bytes in C order";
    if (state.items.size() != 5 || !is_integer(state.items[0], 1) || !is(state.items[1], Kind::tuple) ||
        !is(state.items[2], Kind::dtype) || !is(state.items[3], Kind::boolean) || !is(state.items[4], Kind::text))
      broken(at_, expected);
    const bool column_major = value(state.items[3]).integer != 0;
    if (column_major && !weights_) broken(at_, expected);
    // Each array has its own extents, though a small file may give many of them the same long tuple.
    if (const std::size_t rank = value(state.items[1]).items.size(); rank > highest_rank)
      broken(at_, "an array of " + std::to_string(rank) + " axes; at most 32 are read");
    const std::vector<Ref> extents = value(state.items[1]).items;
    const ByteSpan elements = value(state.items[4]).bytes;
    const ElementType type = value(state.items[2]).element;
    std::uint64_t bytes = size_of(type);
    for (const Ref extent : extents)
      if (value(extent).kind != Kind::integer || value(extent).integer < 0 ||
          __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(value(extent).integer), &bytes))
        broken(at_, "an array with extents that are no numbers, or too large");
    if ((extents.empty() && !weights_) || bytes != elements.size())
      broken(at_, "an array of " + std::to_string(bytes) + " bytes by its extents, but with " +
                      std::to_string(elements.size()) + " bytes");
    Pickle::Value& array = value(target);
    array.items = extents, array.bytes = elements, array.element = type, array.column_major = column_major;
  }

  static constexpr Ref nothing = ~Ref{0};

  ByteSpan file_;
  bool weights_;
  std::uint64_t decoded_ = 0;      // bytes from text, so far
  std::size_t next_ = 0, at_ = 0;  // what is read next; where the current opcode stands
  Pickle result_;
  std::vector<Ref> stack_, memo_;
  std::vector<std::size_t> marks_;  // heights of the stack
};

Pickle Pickle::decode(ByteSpan file, const std::string& where, For use) { return PickleMachine(file, where, use).run(); }

const Pickle::Value* Pickle::find(const Value& dict, std::string_view key) const {
  const Value* found = nullptr;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& candidate = values_[dict.items[i]];
    if (candidate.kind != Kind::text || text_of(candidate.bytes) != key) continue;
    if (found) fail(on_error_, where_ + ": has " + printable(key) + " twice");
    found = &values_[dict.items[i + 1]];
  }
  return found;
}

const Pickle::Value& Pickle::at(std::string_view key, Kind kind) const {
  const Value& dict = values_[root_];
  if (dict.kind != Kind::dict) fail(on_error_, where_ + ": holds a " + name_of(dict.kind) + ", not a dictionary");
  const Value* found = find(dict, key);
  if (!found) fail(on_error_, where_ + ": has no " + printable(key));
  if (found->kind != kind)
    fail(on_error_, where_ + ": " + printable(key) + " is a " + name_of(found->kind) + ", not a " + name_of(kind));
  return *found;
}

const char* name_of(Pickle::Kind kind) {
  switch (kind) {
    case Kind::none: return "none";
    case Kind::boolean: return "boolean";
    case Kind::integer: return "integer";
    case Kind::real: return "real";
    case Kind::text: return "text";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::dict: return "dictionary";
    case Kind::name: return "name";
    case Kind::dtype: return "dtype";
    case Kind::array: return "array";
    case Kind::storage: return "storage";
    case Kind::tensor: return "tensor";
  }
  return "?";
}

}  // namespace tessera
