// What a run is about to do, and whether it fits into memory.
#pragma once

#include <string>

#include "apps/data/open.h"
#include "apps/train/train_options.h"
#include "nn/llama/llama.h"

namespace lookback {

// Throws Error where not even what every step holds finds room, before anything is allocated.
void check_least_memory(const LlamaConfig& config, const TrainOptions& options);

// One line: parameters, tokens, steps, and the memory that a step takes. The options' steps are
// resolved. Throws Error where that does not fit. `ranks`: how many train it.
std::string what_is_to_be_done(const Llama& llama, const TokenData& data,
                               const TrainOptions& options, int ranks);

}  // namespace lookback
