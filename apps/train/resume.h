// `train --resume`: what a run takes from the one that it goes on with.
#pragma once

#include <string>
#include <vector>

#include "apps/train/checkpoint.h"
#include "apps/train/run_settings.h"
#include "apps/train/train_options.h"

namespace lookback {

struct ResumedRun {
  // From the run's options.toml.
  std::string device = {};
  OptionsFile options = {};
  std::vector<std::string> warnings = {};       // about that file
  std::string tokenizer = {};                   // its own copy, of one from a file
  std::vector<Flags::Difference> changes = {};  // what was given otherwise, and may be
  // From its folder.
  FoundCheckpoint checkpoint = {};
  TrainerState state = {};
};

// Fills in the flags that were not given from the options.toml in output_dir; the device only where
// it is there. A run keeps its model, its data and how it learns: throws UsageError, with both
// values, where a flag says otherwise, and Error where the folder does not say how. (Whether
// another --config describes another model is for the caller to see.)
ResumedRun settings_of_run(Flags& flags, TrainOptions& options);

// Throws Error, with both values, where the run's options.toml is not the one that its checkpoint
// was trained with: where it lacks a line or decides a step otherwise, or where it was edited in
// what may change and `flags` do not say the same.
void check_ties(const ResumedRun& run, const Flags& flags);

// Adds to the changes the number of steps, where other --epochs came to another one.
void note_resolved_steps(ResumedRun& run, const Flags& flags);

// The command that goes on with the run in a folder.
std::string resume_command(const std::string& output_dir);

// The newest whole checkpoint in output_dir. Throws Error where there is none.
FoundCheckpoint find_checkpoint(const TrainOptions& options);

// "# resumed from checkpoint-40: max-steps 100 -> 200", behind those of earlier resumes: comments
// for the new options.toml.
std::string resume_notes(const ResumedRun& run, const std::string& output_dir);

// What must be said before such a run goes on, a line each: checkpoints that were passed over, a
// device or a CPU on which the last bits may differ.
std::vector<std::string> resume_warnings(const ResumedRun& run, Device device);

}  // namespace lookback
