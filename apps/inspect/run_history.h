// What a run wrote down while it trained (apps/train/read_run_history.h reads it).
#pragma once

#include <cstdint>
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

}  // namespace lookback
