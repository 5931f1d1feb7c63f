// A run from its first step to its last: steps, lines of metrics.jsonl, evaluations, checkpoints.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/cli/interrupt.h"
#include "apps/train/pending_steps.h"
#include "apps/train/run_folder.h"
#include "apps/train/trainer.h"
#include "apps/train/training_log.h"

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
  TrainingRun(const Llama& model, const TokenData& data, const TrainOptions& options,
              OutputFolder& output_folder, const Session& session);

  // Goes on with the run in the output folder: takes over its state and what it wrote down; model
  // and optimizer hold the checkpoint's tensors already. Throws Error where the data or the
  // tokenizer are not those that the run was on. Changes nothing in the folder. Returns what must
  // be said of what it found there.
  std::vector<std::string> resume(const ResumedRun& run);
  AdamW& adamw() { return trainer_.adamw(); }

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
  void train();
  void take_step();
  void begin(const StepResults& first_results, const std::vector<TokenBatch>& batches);
  void read_steps();
  void evaluate_model();
  void write_report();
  [[noreturn]] void stop(const PendingStep& broken, const StepMeasures& measures);

  std::int64_t total_steps() const { return *options_.max_steps; }
  std::int64_t first_step() const { return resumed_ == nullptr ? 0 : resumed_->state.step; }
  bool at_multiple_of(std::int64_t interval) const;

  const Llama& llama_;
  const TokenData& data_;
  const TrainOptions& options_;
  const ForwardOptions forward_;
  Trainer trainer_;
  TrainerState state_;
  PendingSteps pending_;
  TrainingLog log_;
  RunFolder folder_;
  std::optional<InterruptWatch> interrupt_;  // once the folder is begun
  const ResumedRun* resumed_ = nullptr;
};

}  // namespace lookback
