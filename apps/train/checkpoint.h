// checkpoint-N: all that a run needs to go on from step N.
#pragma once

#include <cstdint>
#include <filesystem>

#include "nn/adamw.h"
#include "nn/llama/llama.h"

namespace lookback {

struct TrainerState {
  std::int64_t step = 0;    // optimiser steps done
  std::int64_t tokens = 0;  // fed in so far
  double seconds = 0;       // spent training so far
  std::uint64_t seed = 0;
};

// Writes RUN/checkpoint-N with config.json, model.safetensors, optimizer.safetensors (each moment
// as "first_moment." or "second_moment." and the parameter's name) and trainer_state.json, and then
// removes the oldest beyond `limit`. The folder appears whole or not at all.
void save_checkpoint(const std::filesystem::path& run, const Llama& llama, const AdamW& optimizer,
                     const TrainerState& state, std::int64_t limit);

}  // namespace lookback
