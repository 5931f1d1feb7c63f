// What a run wrote down while it trained: metrics.jsonl.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace lookback {

struct RunHistory {
  struct Curve {
    std::vector<std::int64_t> steps;
    std::vector<double> values;
  };
  Curve loss, validation_loss, floor;
  // Learned weights and scales, by parameter name: their values at each evaluation.
  std::vector<std::int64_t> learned_steps;
  std::map<std::string, std::vector<std::vector<double>>> learned;
};

// Of a run's folder, or of a checkpoint in one; empty for a folder that no run made. Lines that are
// none of a run's are left out (metrics_lines.h).
RunHistory read_run_history(const std::filesystem::path& directory);

}  // namespace lookback
