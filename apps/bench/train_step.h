// The training step that `bench train` and `bench memory` measure.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/bench/benchmark.h"
#include "apps/train/train_step.h"

namespace lookback {

// Forward, loss, backward, clipping at 1.0 and AdamW on random tokens.
class BenchStep {
 public:
  BenchStep(const Llama& model, const BenchOptions& options, Repetition how);
  // Returns its seconds.
  double run(std::uint64_t seed);
  const TrainStep& train_step() const { return step_; }

 private:
  const Llama& llama_;
  std::int64_t batch_size_, block_size_;
  AdamW optimizer_;
  TrainStep step_;
};

// What `bench train` says of its steps.
struct MeasuredSteps {
  std::vector<double> seconds;     // of each but the first three
  double second_step_seconds = 0;  // the step that a GPU is shown, where steps are captured
  bool captured = false;           // whether they were: on a GPU with room for it
};
MeasuredSteps measure_steps(const Llama& llama, const BenchOptions& options,
                            const Session& session);

}  // namespace lookback
