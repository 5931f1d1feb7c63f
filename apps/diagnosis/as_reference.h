// A model in the terms of the second opinion (reference/).
#pragma once

#include "apps/diagnosis/reference/model.h"
#include "apps/diagnosis/subject.h"

namespace lookback {

// Without the fault: the reference is what the model ought to be. Throws
// reference::UnknownToReference.
reference::Config reference_config(const LlamaConfig& config);
reference::Weights reference_weights(const Llama& llama);

// Moves gains, biases and learned numbers from where they start: 1 and 0 hide which of them is
// used, and where. Random, from the seed.
void disturb(const Llama& llama, std::uint64_t seed);

}  // namespace lookback
