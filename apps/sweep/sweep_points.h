// The runs of a sweep: every combination of the values that a TOML file lists for flags of train.
//
//   preset = ["llama", "method1", "method1 method3.2"]
//   learning_rate = [3e-4, 1e-3]
//   max_steps = 400
//
// are six runs of 400 steps, "preset=llama,learning-rate=0.0003" and so on, the last key's values
// next to one another.
#pragma once

#include <string>
#include <vector>

#include "apps/cli/flags.h"

namespace lookback {

inline constexpr std::size_t max_sweep_points = 1000;

struct SweepPoint {
  std::string name;                    // of its folder
  std::vector<std::string> arguments;  // of train: "--learning-rate=0.001"
};

// `flags` are those of the command line: they hold for all points, and are among the arguments of
// each. Throws UsageError, naming the file and the flag, for a key that is no flag, that the
// command line gives as well or that is the sweep's own (output-dir, threads), an empty list, a
// value that its flag does not take, two points of one name, a model that cannot be made, too many
// points or none; Error where the file cannot be read.
std::vector<SweepPoint> read_sweep_points(const std::string& path, const Flags& flags);

}  // namespace lookback
