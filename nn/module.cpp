#include "nn/module.h"

#include "autograd/gradient.h"

namespace lookback {

Tensor Module::register_parameter(std::string name, const Tensor& tensor) {
  set_parameter(tensor);
  own_parameters.push_back({std::move(name), tensor});
  return tensor;
}

void Module::register_module(std::string name, Module& child) {
  child.own_name = std::move(name);
  children.push_back(&child);
}

std::vector<NamedParameter> Module::parameters() const {
  std::vector<NamedParameter> result;
  collect("", result);
  return result;
}

void Module::collect(const std::string& prefix, std::vector<NamedParameter>& result) const {
  for (const auto& [name, tensor] : own_parameters) result.push_back({prefix + name, tensor});
  for (const auto* child : children) child->collect(prefix + child->own_name + ".", result);
}

void clear_gradients(const std::vector<NamedParameter>& parameters) {
  for (const auto& parameter : parameters) clear_gradient(parameter.tensor);
}

}  // namespace lookback
