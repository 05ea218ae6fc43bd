// The structure of a PTX text: declarations, kernels, scopes, labels; its statements go to the decoder.
#include <cxxabi.h>
#include <cstdio>
#include <cstdlib>

#include <algorithm>

#include "tests/ptx/interpreter/decoder.h"

namespace tessera::ptx {
namespace {

// ".shared .align 4 .b8 name[1024]", ".param .u64 name"
Symbol declaration(const std::string& text) {
  Symbol s;
  std::string rest = text;
  u32 size = 0;
  const auto next_word = [&] {
    const auto end = rest.find_first_of(" \t");
    const std::string word = rest.substr(0, end);
    rest = end == std::string::npos ? "" : trim(rest.substr(end));
    return word;
  };
  while (!rest.empty() && rest[0] == '.') {
    const std::string word = next_word().substr(1);
    if (word == "align") s.align = static_cast<u32>(std::strtoul(next_word().c_str(), nullptr, 10));
    if (word == "extern") s.external = true;
    if (type_named(word) != Type::unknown) size = size_of(type_named(word));
  }
  const auto open = rest.find('[');
  s.name = trim(rest.substr(0, open));
  s.size = open == std::string::npos ? size : size * std::strtoull(rest.c_str() + open + 1, nullptr, 10);
  s.align = std::max(s.align, size);
  return s;
}

class Parser {
 public:
  std::unique_ptr<Module> parse(const std::string& text) {
    for (std::size_t begin = 0; begin < text.size();) {
      const auto end = std::min(text.find('\n', begin), text.size());
      ++line_;
      parse_line(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return std::move(module_);
  }

 private:
  void parse_line(std::string line) {
    line = trim(line.substr(0, line.find("//")));
    if (line.empty()) return;
    if (in_section_) {
      in_section_ = line[0] != '}';
    } else if (line.starts_with(".loc\t") || line.starts_with(".loc ")) {
      std::sscanf(line.c_str(), ".loc %u %u", &place_.file, &place_.source_line);
    } else if (line.starts_with(".file")) {
      add_file(line);
    } else if (line.starts_with(".section")) {
      in_section_ = true;
    } else if (!line.starts_with(".version") && !line.starts_with(".target") && !line.starts_with(".address_size")) {
      for (const char c : line + "\n") parse_character(c);
    }
  }

  void parse_character(char c) {
    const std::string so_far = c == '{' || c == '}' || c == ':' ? trim(buffer_) : "";
    const bool is_header = so_far.find(".entry") != std::string::npos || so_far.find(".func") != std::string::npos;
    if (c == ';') {
      statement(trim(buffer_));
    } else if (c == '{' && (so_far.empty() || is_header)) {
      if (is_header)
        begin_kernel(so_far);
      else if (decoder_)
        decoder_->open_scope();
      ++depth_;
    } else if (c == '}' && so_far.empty() && kernel_) {
      if (--depth_ == 0)
        end_kernel();
      else
        decoder_->close_scope();
    } else if (c == ':' && kernel_ && !so_far.empty() && so_far[0] != '@' &&
               so_far.find_first_of(" \t{[") == std::string::npos) {
      place_.line = line_;
      if (kernel_->error.empty()) decoder_->label(so_far, place_);
    } else {
      if (trim(buffer_).empty()) place_.line = line_;
      buffer_ += c;
      return;
    }
    buffer_.clear();
  }

  void begin_kernel(const std::string& h) {  // ".visible .entry name( … ) .maxntid …"
    auto kernel = std::make_unique<Kernel>();
    const auto at = h.find(".entry");
    if (at == std::string::npos) kernel->error = "a function that is no kernel: " + h.substr(0, 100);
    const auto begin = at == std::string::npos ? 0 : at + 6, open = h.find('(', begin), close = h.find(')', begin);
    kernel->name = trim(h.substr(begin, open - begin));
    if (open != std::string::npos && kernel->error.empty())
      for (const std::string& p : split(h.substr(open + 1, close - open - 1), ',')) {
        const Symbol s = declaration(p);
        const u32 offset = (kernel->parameter_bytes + s.align - 1) / s.align * s.align;
        const Parameter parameter{offset, static_cast<u32>(s.size), s.align};
        kernel->parameters.push_back(parameter);
        kernel->parameter_by_name[s.name] = parameter;
        kernel->parameter_bytes = offset + parameter.size;
      }
    u32* const t = kernel->max_threads;
    if (const auto n = h.find(".maxntid"); n != std::string::npos)
      std::sscanf(h.c_str() + n + 8, " %u, %u, %u", t, t + 1, t + 2);
    if (const auto n = h.find(".minnctapersm"); n != std::string::npos)
      std::sscanf(h.c_str() + n + 13, " %u", &kernel->blocks_per_multiprocessor);
    kernel->files = &module_->files;
    kernel_ = kernel.get();
    module_->kernels[kernel->name] = std::move(kernel);
    decoder_ = std::make_unique<Decoder>(*kernel_, *module_);
  }

  void end_kernel() {
    if (kernel_->error.empty()) attempt("(end)", [&] { decoder_->finish(); });
    kernel_ = nullptr;
    decoder_.reset();
  }

  void statement(const std::string& s) {
    if (s.empty() || (kernel_ && !kernel_->error.empty())) return;
    const bool shared = s.starts_with(".shared") || s.starts_with(".extern .shared");
    if (shared) {
      const Symbol d = declaration(s);
      module_->shared[d.name] = d;
    } else if (!kernel_) {
      std::fprintf(stderr, "[ptx] ignored outside of kernels: %s\n", s.c_str());
    } else if (s.starts_with(".reg")) {
      attempt(s, [&] { decoder_->declare_registers(s); });
    } else if (!s.starts_with(".pragma")) {
      attempt(s, [&] { decoder_->statement(s, place_); });
    }
  }

  template <class Action>
  void attempt(const std::string& what, Action action) {
    try {
      action();
    } catch (const std::exception& e) {
      kernel_->error = kernel_->name + ", PTX line " + std::to_string(place_.line) + ": '" + what + "': " + e.what();
    }
  }

  void add_file(const std::string& line) {
    unsigned n = 0;
    char name[1000] = "";
    if (std::sscanf(line.c_str(), ".file %u \"%999[^\"]\"", &n, name) != 2) return;
    if (module_->files.size() <= n) module_->files.resize(n + 1, "?");
    module_->files[n] = name;
  }

  std::unique_ptr<Module> module_ = std::make_unique<Module>();
  std::string buffer_;
  u32 line_ = 0;
  SourcePlace place_;
  Kernel* kernel_ = nullptr;
  std::unique_ptr<Decoder> decoder_;
  int depth_ = 0;
  bool in_section_ = false;
};

}  // namespace

std::unique_ptr<Module> parse(const std::string& text) { return Parser().parse(text); }

std::string Kernel::place(const Instruction& i) const {
  const std::size_t at = static_cast<std::size_t>(&i - code.data());
  return (i.file < files->size() ? (*files)[i.file] : "?") + ":" + std::to_string(i.source_line) + ", PTX line " +
         std::to_string(i.line) + ": " + text[at];
}

std::string demangled(const std::string& name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  const std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

}  // namespace tessera::ptx
