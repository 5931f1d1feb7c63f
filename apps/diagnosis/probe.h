// Training runs of a diagnosis: a fresh model of the subject, faults and all, on data of one's
// choice.
#pragma once

#include <functional>
#include <vector>

#include "apps/diagnosis/subject.h"

namespace lookback {

struct ProbePlan {
  std::int64_t steps = 50;
  std::int64_t batch_size = 4;
  std::int64_t block_size = 32;
  double learning_rate = 1e-3;
};

struct ProbeStep {
  std::int64_t step = 0;  // from 1
  double loss = 0;        // of this step's batch, before the step
  double accuracy = 0;
  double floor = 0;  // of the same targets; 0 where the source knows none
  double grad_norm = 0;
};

// Trains `llama` in place, with the optimizer and the gradients that `lookback train` has. Stops
// early where `on_step` returns Probe::stop, and at a number that is not finite.
enum class Probe { proceed, stop };
std::vector<ProbeStep> train_probe(const Llama& llama, const TokenSource& source,
                                   const ProbePlan& plan,
                                   const std::function<Probe(const ProbeStep&)>& on_step = {});

}  // namespace lookback
