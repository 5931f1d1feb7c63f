#include "autograd/tape.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "autograd/gradient.h"
#include "runtime/check.h"
#include "runtime/nearest_name.h"

namespace lookback {
namespace {

bool lies_in(std::string_view path, std::string_view scope) {
  if (!path.starts_with(scope)) return false;
  return scope.empty() || path.size() == scope.size() || path[scope.size()] == '.';
}

}  // namespace

std::vector<std::shared_ptr<Node>> nodes_behind(const Tensor& x) {
  std::vector<std::shared_ptr<Node>> found;
  std::unordered_set<const Node*> seen;
  std::vector<std::shared_ptr<Node>> open{edge_to(x).node};
  while (!open.empty()) {
    const auto node = open.back();
    open.pop_back();
    if (!node || !seen.insert(node.get()).second) continue;
    found.push_back(node);
    for (const auto& edge : node->edges) open.push_back(edge.node);
  }
  std::ranges::sort(found, {}, [](const auto& node) {
    return std::pair{!node->is_leaf(), node->sequence};
  });
  return found;
}

void hook_module(const Tensor& x, std::string_view scope, const ModuleHook& hook) {
  bool found = false;
  std::set<std::string> scopes;
  for (const auto& node : nodes_behind(x)) {
    if (node->is_leaf()) continue;
    scopes.insert(*node->scope);
    if (!lies_in(*node->scope, scope)) continue;
    found = true;
    for (auto& output : node->outputs) {
      // The node owns its hooks and outlives their calls.
      output.hooks.emplace_back([hook, operation = node.get()](const Tensor& gradient) {
        hook(*operation, gradient);
        return gradient;
      });
    }
  }
  if (found) return;
  const std::vector<std::string> names(scopes.begin(), scopes.end());
  fail("hook_module", "no operation ran in \"{}\"{}", scope,
       names.empty() ? "" : fmt::format("; the nearest is {}", nearest_name(scope, names)));
}

}  // namespace lookback
