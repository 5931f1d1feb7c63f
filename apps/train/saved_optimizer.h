// The optimizer that a checkpoint holds, for who looks at its next step.
#pragma once

#include <filesystem>

#include "apps/inspect/update_sizes.h"
#include "apps/train/train_options.h"

namespace lookback {

// Of a run's folder (its newest checkpoint) or of a checkpoint in one, at the run's peak learning
// rate; without optimizer.safetensors, a first step at that rate. `options`: the run's, or the
// defaults.
OptimizerView optimizer_of(const std::filesystem::path& directory, const TrainOptions& options);

}  // namespace lookback
