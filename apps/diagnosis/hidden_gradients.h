// How the residual stream and its gradient change from layer to layer.
#pragma once

#include <vector>

#include "apps/diagnosis/subject.h"

namespace lookback {

struct HiddenStates {
  // Of the input of each layer, by depth: norms over [B, T, D]. The gradients are those of the mean
  // loss, along the stream.
  std::vector<double> values, gradients;
};

// Of one training batch, in f64.
HiddenStates hidden_states(const Subject& subject);

// For each layer: the norm of the gradient that a random one at its output gives its input; 0 where
// none arrives. In f64, along every path from there to here.
std::vector<double> layer_edges(const Subject& subject);

}  // namespace lookback
