// Steps of training whose numbers have not been asked for: a GPU may still be at work on them.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "apps/train/accumulate_gradients.h"

namespace lookback {

struct PendingStep {
  StepResults results;
  std::vector<TokenBatch> batches;
  std::int64_t step;  // from 0
};

class PendingSteps {
 public:
  explicit PendingSteps(Device device) : device_(device) {}

  void add(PendingStep step) { steps_.push_back(std::move(step)); }

  bool empty() const { return steps_.empty(); }

  // Whether numbers come later than the step that they are of.
  bool on_gpu() const;

  // Waits for the numbers of all of them and hands each on, the oldest first. Returns the seconds
  // that a GPU was waited for; 0 on the CPU, where the numbers are there when the step has ended.
  double read(const std::function<void(const PendingStep&, const StepMeasures&)>& take);

 private:
  Device device_;
  std::vector<PendingStep> steps_;
};

}  // namespace lookback
