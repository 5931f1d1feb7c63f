// What is said before a model runs that does not compute what its reader may expect.
#pragma once

#include "nn/layer/config.h"

namespace lookback {

// A line on stderr where the config names a fault, and one where transformers' class of the same
// name computes something else.
void warn_of_model(const LlamaConfig& config);

}  // namespace lookback
