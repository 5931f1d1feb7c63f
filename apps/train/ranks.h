// What the ranks of a run do together, besides the sums of their steps (nn/gradient_exchange.h):
// rank 0 alone reads and writes the output folder, and says how the run goes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/flags.h"
#include "apps/train/resume.h"
#include "apps/train/trainer_state.h"
#include "nn/llama/llama.h"
#include "runtime/communicator.h"

namespace lookback {

inline bool is_first(const Communicator& ranks) { return ranks.rank() == 0; }

// Throws UsageError where so many ranks cannot share the lanes: it names the numbers that can.
void check_rank_count(const Communicator& ranks, std::int64_t lanes);

// What the ranks of a run must have in common when it starts: by what it is called in an error.
using CommonValues = std::vector<std::pair<std::string, std::string>>;
// Of a config, key by key.
CommonValues config_values(const LlamaConfig& config);
// Throws Error, with both hosts and both values, where a rank has another value than rank 0.
void check_common(Communicator& ranks, const CommonValues& values);

// On all ranks what `load` gives on rank 0.
std::string text_of_first(Communicator& ranks, const std::function<std::string()>& load);
TrainerState state_of_first(Communicator& ranks, const std::function<TrainerState()>& load);
// The run that rank 0 goes on with, and its flags.
void take_resumed_run(Communicator& ranks, Flags& flags, ResumedRun& run);

// What signals have asked for, of any rank.
struct Wishes {
  int end = 0;  // by this signal; 0: none
  bool checkpoint = false;
};
Wishes agreed(Communicator& ranks, const Wishes& own);

// Throws Error that names the rank whose weights are not those of rank 0.
void check_same_weights(Communicator& ranks, const Llama& llama, std::int64_t step);

}  // namespace lookback
