// What a run keeps in its output folder (CLI.md's `train`), and when it appears there. Of several
// ranks one has the folder: on the others these functions leave the writing to it, and reading too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/cli/command.h"
#include "apps/inspect/inspection.h"
#include "apps/train/checkpoint_saver.h"
#include "apps/train/output_folder.h"
#include "apps/train/resume.h"
#include "apps/train/run_data.h"
#include "apps/train/training_log.h"

namespace lookback {

class RunFolder {
 public:
  // The arguments outlive this object. `output`: null where another rank has it.
  RunFolder(OutputFolder* output, const Llama& model, const TokenData& data,
            const TrainOptions& options, const Session& session);

  // Of a run that is resumed: takes over what it knows of its data, and returns what it had written
  // down. Throws Error where data or tokenizer are other ones. Changes nothing.
  LoggedRun resume(const ResumedRun& run);

  // Before the first step changes a weight: the model, options.toml, the lines of metrics.jsonl so
  // far, the tokenizer. Of a new run they appear together, in the place of an earlier one.
  void begin(const LoggedRun& earlier);

  bool is_here() const { return output_ != nullptr; }
  const std::filesystem::path& path() const { return output_->path(); }

  void save_model();
  // Begins checkpoint-N, behind all lines of metrics.jsonl before it. Completes the state: data,
  // settings and lines that the checkpoint belongs to. Throws Error where the disk has no room for
  // it. `moments`: of the whole parameters.
  void begin_checkpoint(const std::vector<AdamW::State>& moments, std::int64_t updates,
                        TrainerState& state, TrainingLog& log);
  // Throw what went wrong with the one that was begun, where it has failed meanwhile, and when it
  // is written.
  void look_after_checkpoint();
  void finish_checkpoint();
  // How long the run has waited for checkpoints.
  double checkpoint_seconds() const { return saver_ ? saver_->seconds_waited() : 0; }
  // The oldest beyond --save-total-limit, but for those that the state keeps.
  void remove_old_checkpoints(const TrainerState& state);
  // checkpoint-`step`, which is finished; its weights take the place of the model's.
  FoundCheckpoint checkpoint(std::int64_t step) const;
  void load_checkpoint_weights(std::int64_t step);
  // A report on the model, inspect/step-N, from the first tokens of the validation data.
  void write_report(std::int64_t step, const ForwardOptions& forward,
                    const OptimizerView& optimizer);

  // What ended the run, and how to go on from what the folder holds, when a checkpoint that was
  // begun is written or has failed.
  std::string with_resume_command(const std::string& problem);

 private:
  void begin_new(const LoggedRun& earlier);
  void begin_resumed(const LoggedRun& earlier);

  OutputFolder* output_;
  const Llama& llama_;
  const TokenData& data_;
  const TrainOptions& options_;
  const Session& session_;
  RunData run_data_;
  const ResumedRun* resumed_ = nullptr;
  std::optional<CheckpointSaver> saver_;  // from the first checkpoint on
};

}  // namespace lookback
