#include "nn/module.h"

#include "autograd/gradient.h"

namespace lookback {

Tensor Module::register_parameter(std::string name, const Tensor& tensor, Initial initial) {
  set_parameter(tensor);
  own_parameters_.push_back({std::move(name), tensor, initial});
  return tensor;
}

Module::Module(ChildOf place) : own_name_(std::move(place.name)) {
  place.parent.children_.push_back(this);
}

std::vector<NamedParameter> Module::parameters() const {
  std::vector<NamedParameter> result;
  collect("", result);
  return result;
}

void Module::collect(const std::string& prefix, std::vector<NamedParameter>& result) const {
  for (const auto& [name, tensor, initial] : own_parameters_) {
    result.push_back({prefix + name, tensor, initial});
  }
  for (const auto* child : children_) {
    const auto dot = child->own_name_.empty() ? "" : ".";
    child->collect(prefix + child->own_name_ + dot, result);
  }
}

std::vector<std::pair<std::string, Tensor>> Module::effective_values() const {
  std::vector<std::pair<std::string, Tensor>> result;
  collect("", result);
  return result;
}

void Module::collect(const std::string& prefix,
                     std::vector<std::pair<std::string, Tensor>>& result) const {
  const auto effect = own_parameters_.empty() ? Tensor{} : effective_value();
  for (const auto& parameter : own_parameters_) {
    if (effect.defined()) result.emplace_back(prefix + parameter.name, effect);
  }
  for (const auto* child : children_) {
    const auto dot = child->own_name_.empty() ? "" : ".";
    child->collect(prefix + child->own_name_ + dot, result);
  }
}

void clear_gradients(const std::vector<NamedParameter>& parameters) {
  for (const auto& parameter : parameters) clear_gradient(parameter.tensor);
}

}  // namespace lookback
