// What a folder remembers of the run that made it: options.toml.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "apps/train/train_options.h"

namespace lookback {

struct RunRecord {
  TrainOptions options;
  std::uint64_t seed = 0;
  std::string device = {};  // "cpu", "cuda:0"
};

// Of a run's folder, or of a checkpoint in one; none for a folder that no run made. Throws Error
// for an options.toml that does not fit.
std::optional<RunRecord> read_run_record(const std::filesystem::path& directory);

}  // namespace lookback
