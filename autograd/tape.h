// Looking at a tape before its backward pass runs: what a result was made of, and by which module.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "autograd/node.h"
#include "runtime/tensor.h"

namespace lookback {

// All nodes that x came from: leaves, then operations, oldest first. (A leaf's node is made when
// the first operation that reads it is already there.) Empty where x needs no gradient.
std::vector<std::shared_ptr<Node>> nodes_behind(const Tensor& x);

// Called with an operation and the complete gradient of one of its outputs.
using ModuleHook = std::function<void(const Node& operation, const Tensor& gradient)>;

// Lets `hook` see, in the backward passes to come, the gradient of every output of the operations
// behind x that ran in `scope` ("model.layers.0.mlp") or below it. Each is seen before it is used.
// Throws where no operation behind x ran there, naming the nearest scope where one did.
void hook_module(const Tensor& x, std::string_view scope, const ModuleHook& hook);

}  // namespace lookback
