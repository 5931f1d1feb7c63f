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

// For each layer: of a random gradient at its output, the share (by norm) that arrives at its input
// along the stream: 1 in a healthy layer, or thereabouts; 0 where none does. In f64.
std::vector<double> layer_edges(const Subject& subject);

}  // namespace lookback
