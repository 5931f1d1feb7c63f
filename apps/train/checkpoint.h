// checkpoint-N: all that a run needs to go on from step N.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/data_watch.h"
#include "apps/folder/work_folder.h"
#include "apps/model/folder_checksums.h"
#include "apps/train/logged_lines.h"
#include "apps/train/run_settings.h"
#include "nn/adamw.h"
#include "nn/llama/llama.h"

namespace lookback {

// Steps that no line of metrics.jsonl tells about yet.
struct UnloggedSteps {
  double loss = 0;  // summed over steps
  double seconds = 0;
  std::int64_t steps = 0, tokens = 0, targets = 0, correct = 0;
};

// What a checkpoint belongs to: it does not go on with anything else.
struct CheckpointTies {
  RunSettings settings = {};
  std::string config = {};  // the text of its config.json
  RunDataRecord data = {};
  std::optional<Checksum> tokenizer = {};  // of the file, where it is one
  LoggedLines metrics = {};                // that a resumed run takes over
  FileChecksums files = {};                // its other files; filled in as they are written
};

struct TrainerState {
  std::int64_t step = 0;    // optimiser steps done
  std::int64_t tokens = 0;  // fed in so far
  double seconds = 0;       // spent training so far
  std::uint64_t seed = 0;
  UnloggedSteps unlogged = {};
  // By which a resumed run knows its data again: how many tokens there are to train on (none:
  // endless), and the first of those that the next step is fed.
  std::optional<std::int64_t> training_tokens = {};
  std::vector<std::int64_t> next_tokens = {};
  std::string instruction_set = {};  // of the CPU that the run was on
  // None: of a checkpoint from before there were any.
  std::optional<CheckpointTies> ties = {};
};

// Writes RUN/checkpoint-N, for the RUN that `work` belongs to, with config.json, model.safetensors,
// optimizer.safetensors (each moment as "first_moment." or "second_moment." and the parameter's
// name) and trainer_state.json. The folder appears whole or not at all. When it is on the disk the
// oldest beyond `limit` are removed; what cannot be removed is a warning.
void save_checkpoint(const WorkFolder& work, const Llama& llama, const AdamW& optimizer,
                     const TrainerState& state, std::int64_t limit);

// Removes the oldest beyond `limit`; those newer than newest_step, which a resumed run could not go
// on from, do not count.
void remove_oldest_checkpoints(const WorkFolder& work, std::int64_t newest_step,
                               std::int64_t limit);

struct FoundCheckpoint {
  std::filesystem::path path;
  std::int64_t step = 0;
  std::vector<std::string> skipped = {};  // newer ones that are not whole: which, and why
};

// The newest of RUN that has all its files; what is in them is not looked at. None: there is none.
std::optional<FoundCheckpoint> newest_checkpoint(const std::filesystem::path& run);

// Throw Error, naming the file and what is wrong there, for a file that does not fit: the state
// must be that of the folder's step, the moments those of the optimiser's parameters after that
// step, and every file and tensor what was written, where the checkpoint says what that was.
TrainerState load_trainer_state(const FoundCheckpoint& checkpoint);
LlamaConfig load_config(const FoundCheckpoint& checkpoint, const TrainerState& state);
void load_optimizer(const FoundCheckpoint& checkpoint, AdamW& optimizer);

}  // namespace lookback
