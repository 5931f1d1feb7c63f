// How far one optimiser step moves each parameter, beside how large it is.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "apps/train/train_options.h"
#include "nn/adamw.h"

namespace lookback {

// What an optimiser knows, and the step it is to take.
struct OptimizerView {
  struct Moments {
    Tensor first, second;
  };
  std::map<std::string, Moments> moments = {};  // by parameter; none: those of a first step
  std::int64_t steps_taken = 0;
  AdamWOptions options = {};
  double learning_rate = 0;
  std::string origin = {};  // whose moments these are, for the reader
};

// Of a run's folder (its newest checkpoint) or of a checkpoint in one, at the run's peak learning
// rate; without optimizer.safetensors, a first step at that rate. `options`: the run's, or the
// defaults.
OptimizerView optimizer_of(const std::filesystem::path& directory, const TrainOptions& options);

// The norm of the change that a step of AdamW makes to a parameter, weight decay included: with the
// moments as they are, or, for a first step, those of the gradient it holds (none: 0). Nothing is
// written.
double update_norm(const NamedParameter& parameter, const OptimizerView& optimizer);

}  // namespace lookback
