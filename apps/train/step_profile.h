// Where the time of some of a run's steps goes: --profile-steps A:B.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apps/profile/kernel_times.h"
#include "nn/llama/llama.h"

namespace lookback {

// Steps from the first to the last of them, counted from 1.
struct StepRange {
  std::int64_t first = 1, last = 0;
};

// "10:12". Empty: no step. Throws UsageError for what is no such range.
StepRange read_step_range(const std::string& text);

class StepProfile {
 public:
  StepProfile(StepRange steps, const Llama& model) : range_(steps), llama_(model) {}

  // Whether step `step`, from 1, is one of those.
  bool times(std::int64_t step) const { return step >= range_.first && step <= range_.last; }
  // Runs a step, and times it where it is one of those.
  void run(std::int64_t step, const std::function<void()>& take);
  // Whether steps were timed that have not been written.
  bool has_steps() const { return !steps_.empty(); }
  // Writes profile.json and trace.json into a run's folder, and forgets the steps. Returns the rows
  // that took longest, in lines.
  std::string write(const std::filesystem::path& folder);

 private:
  StepRange range_;
  const Llama& llama_;
  std::vector<std::vector<TimedCall>> steps_;
};

}  // namespace lookback
