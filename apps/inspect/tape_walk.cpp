#include "apps/inspect/tape_walk.h"

#include <cmath>
#include <unordered_map>

#include "apps/inspect/numbers.h"
#include "autograd/gradient.h"
#include "autograd/tape.h"

namespace lookback {
TapeWalk::TapeWalk(const Tensor& loss, const std::vector<NamedParameter>& parameters)
    : parameters_(parameters) {
  const auto nodes = nodes_behind(loss);
  std::unordered_map<const Node*, std::string> names;
  for (const auto& parameter : parameters_) {
    if (const auto edge = edge_to(parameter.tensor); edge.node) {
      names[edge.node.get()] = parameter.name;
    }
  }
  std::unordered_map<const Node*, std::int64_t> ids;
  for (const auto& node : nodes) {
    const auto id = static_cast<std::int64_t>(noted_.size()) + 1;
    ids[node.get()] = id;
    TapeEntry entry{.id = id, .operation = std::string(node->name()), .scope = *node->scope};
    if (const auto found = names.find(node.get()); found != names.end()) {
      entry.operation = "parameter";
      entry.scope = found->second;
    }
    for (const auto& edge : node->edges) {
      if (edge.node) entry.from.push_back(ids.at(edge.node.get()));
    }
    const auto square = squares_.emplace_back(std::make_shared<double>(0));
    for (auto& output : node->outputs) {
      entry.outputs.push_back(output.shape);
      entry.dtype = output.dtype;
      if (node->is_leaf()) continue;
      output.hooks.emplace_back([square](const Tensor& gradient) {
        const double size = norm_of(gradient);
        *square += size * size;
        return gradient;
      });
    }
    noted_.push_back(std::move(entry));
  }
}

std::vector<TapeEntry> TapeWalk::entries() const {
  auto result = noted_;
  std::unordered_map<std::string_view, const Tensor*> by_name;
  for (const auto& parameter : parameters_) by_name[parameter.name] = &parameter.tensor;
  for (std::size_t i = 0; i < result.size(); ++i) {
    auto& entry = result[i];
    entry.gradient_norm = std::sqrt(*squares_[i]);
    if (!entry.is_parameter()) continue;
    const auto& tensor = *by_name.at(entry.scope);
    const auto collected = gradient(tensor);
    entry.outputs = {tensor.shape()};
    entry.dtype = tensor.dtype();
    entry.gradient_norm = norm_of(collected);
  }
  return result;
}

}  // namespace lookback
