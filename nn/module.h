// Modules: named parameters in a tree. Names are Hugging Face's paths
// ("model.layers.0.self_attn.q_proj.weight"), and a module's forward runs in the scope of its name.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/scope.h"
#include "runtime/tensor.h"

namespace lookback {

// What a fresh parameter starts from: normal(0, the model's initializer_range or a deviation of its
// own), one number, or numbers that are given.
struct Initial {
  enum class Kind { normal, own_normal, constant, given };
  Kind kind = Kind::normal;
  double value = 0;                 // the standard deviation of its own; the one number
  std::vector<double> values = {};  // row by row

  static Initial normal() { return {}; }
  static Initial normal(double standard_deviation) {
    return {.kind = Kind::own_normal, .value = standard_deviation};
  }
  static Initial constant(double value) { return {.kind = Kind::constant, .value = value}; }
  static Initial given(std::vector<double> values) {
    return {.kind = Kind::given, .values = std::move(values)};
  }
};

struct NamedParameter {
  std::string name;
  Tensor tensor;
  Initial initial;
};

class Module;

// Where a module stands: below `parent`, under `name`. An empty name adds no part to the path.
struct ChildOf {
  ChildOf(Module& parent_module, std::string child_name)
      : parent(parent_module), name(std::move(child_name)) {}

  Module& parent;
  std::string name;
};
// The place of a module that stands below no other.
struct RootModule {};

// A module is registered where it is made: its constructor takes its place, so that a child which
// its parent does not know does not compile.
//   Linear q_proj{ChildOf{*this, "q_proj"}, ...};   a member
class Module {
 public:
  explicit Module(RootModule) {}
  // The parent outlives the child, or is destroyed with it.
  explicit Module(ChildOf place);
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // All parameters of this module and those below it, in the order of registration.
  std::vector<NamedParameter> parameters() const;
  // Of every module below that has one, by the names of its parameters: effective_value().
  std::vector<std::pair<std::string, Tensor>> effective_values() const;
  // For a module whose few parameters act through a function (a softmax, a power): the numbers
  // that take effect, in f32 or f64. Undefined: the parameters are what they are.
  virtual Tensor effective_value() const { return {}; }
  // The name the parent knows it by; empty at the root.
  const std::string& name() const { return own_name_; }

 protected:
  // Marks the tensor as a parameter (it collects its gradient) and remembers it by name. The tensor
  // handle is shared: writing into its memory is seen everywhere.
  Tensor register_parameter(std::string name, const Tensor& tensor, Initial initial);
  // The first line of every forward: const auto scope = enter();
  Scope enter() const { return Scope(own_name_); }

 private:
  void collect(const std::string& prefix, std::vector<NamedParameter>& result) const;
  void collect(const std::string& prefix,
               std::vector<std::pair<std::string, Tensor>>& result) const;

  std::string own_name_;
  std::vector<NamedParameter> own_parameters_;
  std::vector<Module*> children_;
};

// Zeroes (drops) the gradients of all parameters.
void clear_gradients(const std::vector<NamedParameter>& parameters);

}  // namespace lookback
