#pragma once

#include <set>
#include <string>

#include "nn/llama/llama.h"

namespace lookback {

// The names of the parameters whose gradient is zero by the variant's construction, and no fault
// (docs/variants.md lists them). Clears all gradients.
std::set<std::string> inert_parameters(const Llama& llama);

}  // namespace lookback
