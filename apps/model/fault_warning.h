// What is said before a model runs that is broken on purpose.
#pragma once

#include "nn/layer/config.h"

namespace lookback {

// A line on stderr where the config names a fault.
void warn_of_fault(const LlamaConfig& config);

}  // namespace lookback
