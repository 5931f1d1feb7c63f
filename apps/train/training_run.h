// A run from its first step to its last: steps, lines of metrics.jsonl, evaluations, checkpoints.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cli/interrupt.h"
#include "apps/train/pending_steps.h"
#include "apps/train/run_folder.h"
#include "apps/train/step_profile.h"
#include "apps/train/trainer.h"
#include "apps/train/training_log.h"

namespace lookback {

struct TrainingSummary {
  int ended_by = 0;  // the signal that ended it before its last step
  std::int64_t steps = 0;
  double loss = 0;                            // of the last line of metrics.jsonl
  std::optional<Evaluation> evaluation = {};  // the last one
  double tokens_per_second = 0;               // while training
  double checkpoint_seconds = 0;              // that the run waited for checkpoints
  // Of --load-best-model-at-end, at the end: the one whose weights the folder holds.
  std::optional<BestModel> best = {};
};

class TrainingRun {
 public:
  // The options' steps are resolved. The arguments outlive the run. `output_folder`: rank 0's, null
  // on others. All ranks take over the weights that rank 0's model has.
  TrainingRun(const Llama& model, const TokenData& data, const TrainOptions& options,
              OutputFolder* output_folder, const Session& session);

  // Goes on with the run in the output folder: takes over its state and what it wrote down; the
  // model holds the checkpoint's tensors already, and load_moments() has been called. Throws Error
  // where the data or the tokenizer are not those that the run was on. Changes nothing in the
  // folder. Returns what must be said of what it found there.
  std::vector<std::string> resume(const ResumedRun& run);
  void load_moments(const ResumedRun& run) {
    trainer_.load_moments(run.checkpoint, run.state.spikes.left_out);
  }

  // Trains. The output folder is begun when the first gradients are there: what cannot even start
  // leaves nothing behind. From then on it holds a whole model: the one that training started from,
  // then the last one that was evaluated. From then on Ctrl-C, SIGTERM and SIGHUP end the run after
  // the step, with a checkpoint (until then they end the program: nothing is lost), and SIGUSR1 and
  // SIGUSR2 ask for a checkpoint.
  // What is done about a spike (spikes.h) is the options' on_spike. Throws NonFiniteError where it
  // ends the run, as every loss or gradient does that is not finite and may not be left out. The
  // folder then keeps the last good model: the one before that step where its loss was finite, else
  // the one it held. Other errors say how to go on, once there is a checkpoint.
  TrainingSummary run();

 private:
  void train();
  void take_step();
  Update begin(const PendingStep& first);
  void read_steps();
  // Takes in the numbers of a step, and says whether its update is made, where it is not yet.
  Update take_in(const PendingStep& step, const StepMeasures& measures);
  // Of those that on_spike asks for: a norm that is clipped is not worth a warning.
  std::optional<Spike> spike_of(const StepMeasures& measures) const;
  Update meet_spike(const Spike& spike, const PendingStep& step, const StepMeasures& measures);
  void leave_out(const Spike& spike, const PendingStep& step, const StepMeasures& measures);
  void write_spike(const Spike& spike, std::int64_t step, const std::string& done,
                   RunLog::Line kind = RunLog::Line::standing);
  bool ends_run(const Spike& spike) const;
  [[noreturn]] void stop(const Spike& spike, const PendingStep& broken);
  std::string keep_good_model(const Spike& spike, const PendingStep& broken);
  Evaluation evaluated(const EvaluationPlan& plan) const;
  void begin_checkpoint();
  void load_checkpoint_weights(std::int64_t step);
  void evaluate_model();
  void end_with_best_model(const EvaluationPlan& plan);
  void write_report();

  std::int64_t total_steps() const { return *options_.max_steps; }
  std::int64_t first_step() const { return resumed_ == nullptr ? 0 : resumed_->state.step; }
  bool at_multiple_of(std::int64_t interval) const;
  // Whether a step's numbers are looked at before its update: a GPU is then waited for.
  bool looks_first() const { return options_.on_spike != OnSpike::warn; }

  const Llama& llama_;
  const TokenData& data_;
  const TrainOptions& options_;
  const ForwardOptions forward_;
  Communicator& ranks_;
  std::unique_ptr<GradientExchange> exchange_;  // null: there is one rank
  Trainer trainer_;
  TrainerState state_;
  PendingSteps pending_;
  TrainingLog log_;
  RunFolder folder_;
  StepProfile profile_;
  int spikes_told_ = 0;                      // on stderr
  std::optional<InterruptWatch> interrupt_;  // once the folder is begun
  int ended_by_ = 0;                         // the signal that some rank got
  const ResumedRun* resumed_ = nullptr;
};

}  // namespace lookback
