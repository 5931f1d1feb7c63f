// trainer_state.json: what a checkpoint remembers besides its tensors.
#pragma once

#include <filesystem>
#include <string>

#include "apps/train/checkpoint.h"

namespace lookback {

std::string to_json(const TrainerState& state);

// Throws Error for a file that cannot be read, is no JSON, lacks a key, or holds one that is not
// known or of another type.
TrainerState read_trainer_state(const std::filesystem::path& path);

}  // namespace lookback
