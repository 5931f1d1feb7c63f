// The residual stream between two sites of a model.
#pragma once

#include "runtime/tensor.h"

namespace lookback {

// The stream's value is stream + update; it is left as a sum so that the norm that reads it adds it
// up in the same pass over memory. Either may be undefined (zero), not both. [B, T, D].
struct ResidualSum {
  Tensor stream;
  Tensor update;
};

}  // namespace lookback
