// How a run steps, as its options say: its micro-batches, the learning rate of each step, the
// optimizer, and the step itself. TrainingRun trains with it; a diagnosis holds it against the book
// (apps/diagnosis/step_book.h).
#pragma once

#include <string>
#include <vector>

#include "apps/train/checkpoint.h"
#include "apps/train/train_options.h"
#include "apps/train/train_step.h"

namespace lookback {

// The options' steps are resolved (resolve_steps).
Schedule schedule_of(const TrainOptions& options);

// How its forward passes go.
ForwardOptions forward_options_of(const TrainOptions& options, const Llama& llama);

class Trainer {
 public:
  // The options' steps are resolved. The arguments outlive it. `exchange`: of a run on several
  // ranks, whose number the options' lanes allow.
  Trainer(const Llama& model, const TrainOptions& options, const ForwardOptions& forward,
          GradientExchange* exchange = nullptr);

  // Of step `step`, from 0.
  double learning_rate(std::int64_t step) const;
  // Where documents are kept apart, those that one micro-batch becomes stand together.
  std::vector<TokenBatch> micro_batches(const TokenSource& training, std::int64_t step) const;

  // TrainStep::take() at that step's rate.
  StepResults take(std::int64_t step, const std::vector<TokenBatch>& batches,
                   const BeforeUpdate& before_update = {});

  const AdamW& adamw() const { return optimizer_; }
  // Of the whole parameters: of a run on several ranks gathered on rank 0, nothing on the others.
  std::vector<AdamW::State> whole_moments() const;
  // Goes on with those of a checkpoint, which rank 0 reads. Throws as lookback::load_moments().
  void load_moments(const FoundCheckpoint& checkpoint, std::int64_t updates_left_out = 0);
  // TrainStep::why_not_captured()
  const std::string& why_not_captured() const { return step_.why_not_captured(); }

 private:
  const Llama& llama_;
  const TrainOptions& options_;
  GradientExchange* exchange_;
  AdamW optimizer_;
  TrainStep step_;
};

}  // namespace lookback
