// What the engine does for nodes while it runs.
#pragma once

#include <span>
#include <string>

#include "runtime/tensor.h"

namespace lookback {

// "rms_norm at model.norm" while that node's backward runs on this thread, else "no node".
std::string running_node();

// Whether the backward pass that runs on this thread was told AfterBackward::retain: then a node
// must leave what it saved as it is.
bool retaining();

// For a node whose backward records a tape of its own and runs it at once (a checkpoint): a pass
// from `roots` within the pass that runs on this thread. It collects nothing itself. The gradients
// that reach a leaf go on to the enclosing pass one by one, as they arrive, just as if the inner
// tape were a part of the outer: those of stand_ins[i] to where the running node's input i came
// from, those of any other leaf to that leaf, which must be an input of the running node too.
// Saved tensors of the inner tape are dropped on the way. `stand_ins` may be undefined where the
// input needs no gradient.
void backward_within(std::span<const Tensor> roots, std::span<const Tensor> gradients,
                     std::span<const Tensor> stand_ins);

}  // namespace lookback
