#include "autograd/node.h"

#include <fmt/format.h>

#include <atomic>

#include "autograd/scope.h"

namespace lookback {
namespace {

std::uint64_t next_sequence() {
  static std::atomic<std::uint64_t> counter = 0;
  return ++counter;
}

// Nodes whose owner is being destroyed, on this thread. The outermost destructor empties the list,
// so that freeing a chain never recurses.
thread_local std::vector<std::shared_ptr<Node>> doomed;
thread_local bool emptying = false;

}  // namespace

Node::Node() : sequence(next_sequence()), scope(Scope::current()) {}

Node::~Node() {
  for (auto& edge : edges) {
    if (edge.node) doomed.push_back(std::move(edge.node));
  }
  if (emptying) return;
  emptying = true;
  while (!doomed.empty()) {
    const auto last = std::move(doomed.back());
    doomed.pop_back();
  }
  emptying = false;
}

std::string describe(const Node& node) {
  const std::string_view place =
      node.scope->empty() ? "the top level" : std::string_view(*node.scope);
  return fmt::format("{} at {}", node.name(), place);
}

}  // namespace lookback
