// Where the time of training steps goes: by operation and module, and call by call.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "apps/profile/kernel_times.h"
#include "apps/profile/machine_limits.h"
#include "runtime/replacing_file.h"

namespace lookback {

// All calls of one kernel in modules of one name, layer numbers aside, in a step.
struct ProfileRow {
  std::string name = {};                                // "matmul_forward"
  std::string scope = {};                               // "model.layers.*.self_attn"
  double calls = 0, seconds = 0, flops = 0, bytes = 0;  // the mean over the steps
};

// The steps that were timed, the slowest row first.
std::vector<ProfileRow> profile_rows(std::span<const std::vector<TimedCall>> steps);

// How near to the machine's limit that is which is nearer.
double of_limit(const ProfileRow& row, const MachineLimits& limits);

// [{"name", "scope", "calls", "seconds", "flops", "bytes", "of_limit"}]
nlohmann::ordered_json profile_json(std::span<const ProfileRow> rows, const MachineLimits& limits);

// In the Trace Event Format, for chrome://tracing and ui.perfetto.dev: every call, and around them
// the modules that asked for them. Step follows step, though there may have been others between.
nlohmann::ordered_json chrome_trace(std::span<const std::vector<TimedCall>> steps);
// Writes it, as the file's only content. Throws Error where that fails.
void write_trace(ReplacingFile& file, std::span<const std::vector<TimedCall>> steps);

}  // namespace lookback
