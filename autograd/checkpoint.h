// Activation recomputation (Chen et al. 2016): forward keeps the inputs alone, backward runs the
// function again and then its backward.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "runtime/tensor.h"

namespace lookback {

using CheckpointedFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

// fn(inputs), with the same gradients to the bit: of the inputs, of parameters (also those that are
// used by several checkpoints, several times in one, or hold a gradient already), and of all that
// comes before. fn runs twice and must compute the same both times. It may use parameters of
// modules; it throws when it reaches any other tensor that requires a gradient and is not among its
// inputs: that gradient would be lost. Checkpoints may nest.
std::vector<Tensor> checkpoint(const CheckpointedFunction& fn, const std::vector<Tensor>& inputs);

// Part of recording an operation: inside a checkpointed forward, throws for such a tensor, and
// takes note of parameters.
void check_checkpoint_input(std::string_view operation, const Tensor& input);

}  // namespace lookback
