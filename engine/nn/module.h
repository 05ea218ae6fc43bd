// Modules: layers and networks as plain structs of named members.
//
// A module lists its members once, in visit(); a parameter's name in files is the dotted path of member names. The path is
// written into the parameter itself, so that an error can say where it happened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/nn/parameter.h"

namespace tessera {

class Module;

// Walks a module's members in the order of its visit(). Derive and override what is of interest.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void on_parameter(const std::string& path, Parameter&) { (void)path; }
  virtual void on_buffer(const std::string& path, Buffer&) { (void)path; }
  virtual void on_module(const std::string& path, Module&) { (void)path; }  // before its members

  void operator()(const std::string& name, Parameter& parameter) { on_parameter(join(name), parameter); }
  void operator()(const std::string& name, Buffer& buffer) { on_buffer(join(name), buffer); }
  void operator()(const std::string& name, Module& module);
  template <class M>
  void operator()(const std::string& name, std::vector<M>& modules) {  // name.0, name.1, …
    for (std::size_t i = 0; i < modules.size(); ++i) (*this)(name + "." + std::to_string(i), modules[i]);
  }
  template <class M>
  void operator()(const std::string& name, std::unique_ptr<M>& module) {  // an optional part
    if (module) (*this)(name, *module);
  }

 private:
  std::string join(const std::string& name) const { return prefix_.empty() ? name : prefix_ + "." + name; }
  std::string prefix_;
};

class Module {
 public:
  virtual ~Module() = default;
  // Hands every parameter, buffer and sub-module to the visitor, with its name.
  virtual void visit(Visitor& visitor) = 0;

  const std::string& path() const { return path_; }  // "blocks.2.c1"; empty for the network itself

 private:
  friend class Visitor;
  std::string path_;
};

// Runs `op` and names the layer in whatever shape error it throws.
template <class Op>
auto at(const Module& layer, Op&& op) {
  try {
    return op();
  } catch (const ShapeError& error) {
    throw ShapeError((layer.path().empty() ? "" : "layer " + layer.path() + ": ") + error.what());
  }
}

}  // namespace tessera
