// A run from its first step to its last: steps, lines of metrics.jsonl, evaluations, checkpoints.
#pragma once

#include <optional>
#include <vector>

#include "apps/cli/command.h"
#include "apps/cli/interrupt.h"
#include "apps/cli/progress.h"
#include "apps/train/checkpoint.h"
#include "apps/train/evaluate.h"
#include "apps/train/optimiser_step.h"
#include "apps/train/output_folder.h"
#include "apps/train/resume.h"
#include "apps/train/run_data.h"
#include "apps/train/run_log.h"
#include "apps/train/train_options.h"

namespace lookback {

struct TrainingSummary {
  int ended_by = 0;  // the signal that ended it before its last step
  std::int64_t steps = 0;
  double loss = 0;                            // of the last line of metrics.jsonl
  std::optional<Evaluation> evaluation = {};  // the last one
  double tokens_per_second = 0;               // while training
};

class TrainingRun {
 public:
  // The options' steps are resolved. The arguments outlive the run.
  TrainingRun(const Llama& model, const TokenData& token_data, const TrainOptions& train_options,
              OutputFolder& output_folder, const Session& program_session);

  // Goes on with the run in the output folder: takes over its state and what it wrote down; model
  // and optimiser hold the checkpoint's tensors already. Throws Error where the data or the
  // tokenizer are not those that the run was on. Changes nothing in the folder. Returns what must
  // be said of what it found there.
  std::vector<std::string> go_on_with(const ResumedRun& run);
  AdamW& optimiser() { return optimizer; }

  // Trains. The output folder is begun when the first gradients are there: what cannot even start
  // leaves nothing behind. From then on it holds a whole model: the one that training started from,
  // then the last one that was evaluated. From then on Ctrl-C, SIGTERM and SIGHUP end the run after
  // the step, with a checkpoint (until then they end the program: nothing is lost), and SIGUSR1 and
  // SIGUSR2 ask for a checkpoint.
  // Throws NonFiniteError when a loss or a gradient is not finite. The folder then keeps the last
  // good model: the one before that step where its loss was finite, else the one it held. Other
  // errors say how to go on, once there is a checkpoint.
  TrainingSummary run();

 private:
  // A step whose numbers have not been asked for: a GPU may still be at work on it.
  struct UnreadStep {
    StepResults results;
    std::vector<TokenBatch> batches;
    std::int64_t step;  // from 0
  };

  void train();
  std::string with_way_on(const std::string& problem) const;
  void begin_folder();
  void begin_resumed_folder();
  void take_step();
  StepResults take_recorded_step(const std::vector<TokenBatch>& batches);
  void read_steps();
  void log_step(RunLog::Line kind);
  void evaluate_model();
  void save_state();
  void inspect_model();
  [[noreturn]] void stop(const UnreadStep& unread) const;
  bool at_multiple_of(std::int64_t interval) const;
  double tokens_per_second() const;

  const Llama& llama;
  const TokenData& data;
  const TrainOptions& options;
  const std::int64_t total_steps;
  const ForwardOptions forward;
  OutputFolder& output;
  const Session& session;
  RunData run_data;
  AdamW optimizer;
  OptimiserStep step;
  std::optional<RunLog> log;                // once the folder is begun
  std::optional<InterruptWatch> interrupt;  // from then on
  Progress progress;
  TrainerState state;
  UnloggedSteps& window = state.unlogged;  // what the next line of metrics.jsonl tells about
  const ResumedRun* resumed = nullptr;
  LoggedRun earlier;            // of a resumed run
  std::int64_t first_step = 0;  // of this process
  std::vector<UnreadStep> unread;
  StepMeasures measures;  // of the last step that was read
  double learning_rate = 0;
  TrainingSummary summary;
};

}  // namespace lookback
