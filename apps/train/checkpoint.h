// checkpoint-N: all that a run needs to go on from step N.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/folder/work_folder.h"
#include "apps/model/model_folder.h"
#include "apps/train/trainer_state.h"
#include "nn/adamw.h"
#include "nn/llama/llama.h"

namespace lookback {

struct CheckpointContents {
  ModelContents model = {};
  NamedTensors moments = {};  // "first_moment." or "second_moment." and the parameter's name
  std::int64_t updates = 0;   // that the optimizer has made
  TrainerState state = {};
};
// The tensors are those of model and moments themselves: they change with the next step.
// `moments`: of the whole parameters, after so many updates.
CheckpointContents contents_of(const Llama& llama, const std::vector<AdamW::State>& moments,
                               std::int64_t updates, TrainerState state);

// Writes RUN/checkpoint-N, for the RUN that `work` belongs to, with config.json, model.safetensors,
// optimizer.safetensors and trainer_state.json. The folder appears whole or not at all. When it is
// on the disk the oldest beyond `limit` are removed, but for those that the state keeps; what
// cannot be removed is a warning.
void save_checkpoint(const WorkFolder& work, const CheckpointContents& checkpoint,
                     std::int64_t limit);

// Removes the oldest beyond `limit`; those newer than newest_step, which a resumed run could not go
// on from, do not count, and those of the steps `kept` stay.
void remove_oldest_checkpoints(const WorkFolder& work, std::int64_t newest_step, std::int64_t limit,
                               const std::vector<std::int64_t>& kept = {});

struct FoundCheckpoint {
  std::filesystem::path path;
  std::int64_t step = 0;
  std::vector<std::string> skipped = {};  // newer ones that are not whole: which, and why
};

// The newest of RUN that has all its files; what is in them is not looked at. None: there is none.
std::optional<FoundCheckpoint> newest_checkpoint(const std::filesystem::path& run);

// Throw Error, naming the file and what is wrong there, for a file that does not fit: the state
// must be that of the folder's step, the moments those of the whole parameters after that
// step, less the updates that were left out, and every file and tensor what was written, where the
// checkpoint says what that was.
TrainerState load_trainer_state(const FoundCheckpoint& checkpoint);
LlamaConfig load_config(const FoundCheckpoint& checkpoint, const TrainerState& state);
void load_moments(const FoundCheckpoint& checkpoint, const std::vector<AdamW::State>& moments,
                  std::int64_t updates_left_out = 0);

}  // namespace lookback
