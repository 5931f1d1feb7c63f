// Which runs a command line names.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lookback {

// Whether a folder holds what a run wrote about itself: options.toml or metrics.jsonl.
bool is_run_folder(const std::filesystem::path& folder);

// Each of `named` that is a run, and of the others all runs that lie up to three folders below, by
// name; each run once. Throws Error where one is not there, is no folder, is a checkpoint, or holds
// no run.
std::vector<std::filesystem::path> find_runs(const std::vector<std::string>& named);

// A name for each: what of their paths is not the same in all, "lr-1" and "lr-2" for /a/lr-1/run
// and /a/lr-2/run. Of one alone it is the folder's own name.
std::vector<std::string> short_names(const std::vector<std::filesystem::path>& folders);

}  // namespace lookback
