// Whether what a run writes finds room on its disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "apps/train/train_options.h"
#include "nn/llama/llama.h"

namespace lookback {

// Bytes that this process can still write below `folder`. None: its file system does not say.
std::optional<std::int64_t> free_bytes(const std::filesystem::path& folder);

// Bytes of model.safetensors, and of a checkpoint: the weights and AdamW's two moments.
std::int64_t model_bytes(const Llama& llama);
std::int64_t checkpoint_bytes(const Llama& llama);

// Before a run that has `steps_left`; its steps are resolved. Throws Error where not even the model
// and one checkpoint find room; a warning where they do, but not all that it keeps: the newest
// --save-total-limit checkpoints, those that are kept beside them, and a new one before the oldest
// goes. (Where an earlier run is replaced a warning in both cases: its files go first.)
enum class EarlierFiles { stay, go };
std::string check_free_space(const Llama& llama, const TrainOptions& options,
                             std::int64_t steps_left, EarlierFiles earlier);

// Throws Error where checkpoint-`step` would not fit.
void check_room_for_checkpoint(const Llama& llama, const std::filesystem::path& run,
                               std::int64_t step);

}  // namespace lookback
