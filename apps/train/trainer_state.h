// trainer_state.json: what a checkpoint remembers besides its tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/data_watch.h"
#include "apps/model/folder_checksums.h"
#include "apps/train/logged_lines.h"
#include "apps/train/run_settings.h"
#include "apps/train/spikes.h"

namespace lookback {

// Steps that no line of metrics.jsonl tells about yet.
struct UnloggedSteps {
  double loss = 0;                            // summed over steps
  std::optional<double> auxiliary_loss = {};  // likewise; none: the model has none, or no step was
  double seconds = 0;
  std::int64_t steps = 0, tokens = 0, targets = 0, correct = 0;
  std::int64_t left_out = 0;  // of the steps: those whose update was, in none of the sums
};

// The evaluation with the lowest loss of those that stand beside a checkpoint.
struct BestModel {
  std::int64_t step = 0;
  double loss = 0;
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
  std::int64_t step = 0;    // optimizer steps done
  std::int64_t tokens = 0;  // fed in so far
  double seconds = 0;       // spent training so far
  std::uint64_t seed = 0;
  UnloggedSteps unlogged = {};
  // By which a resumed run knows its data again: how many tokens there are to train on (none:
  // endless), and the first of those that the next step is fed.
  std::optional<std::int64_t> training_tokens = {};
  std::vector<std::int64_t> next_tokens = {};
  std::string instruction_set = {};  // of the CPU that the run was on
  SpikeHistory spikes = {};
  std::optional<BestModel> best = {};  // of --load-best-model-at-end
  // The checkpoint that --on-spike back goes back to, by its step.
  std::optional<std::int64_t> way_back = {};
  // None: of a checkpoint from before there were any.
  std::optional<CheckpointTies> ties = {};
};

// The checkpoints that stay whatever the limit, by their steps.
std::vector<std::int64_t> kept_checkpoints(const TrainerState& state);

std::string to_json(const TrainerState& state);

// Throws Error for a file that cannot be read, is no JSON, lacks a key, or holds one that is not
// known or of another type.
TrainerState read_trainer_state(const std::filesystem::path& path);
// The same of its text, which comes from `where`.
TrainerState parse_trainer_state(const std::string& text, const std::string& where);

}  // namespace lookback
