// What two runs must have in common to be the same run.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace lookback::tests {

// Every file of a run's folder, by its path there, with its bytes; left out is what no two runs
// share: how long they took, the name of their folder, their threads, and that they were resumed.
// What TensorBoard reads out of its events files together is one file here, "events".
using RunFiles = std::map<std::string, std::string>;
RunFiles run_files(const std::filesystem::path& run);

// The names of the files that only one of them has, or that differ; empty: they are the same.
std::string differing_files(const RunFiles& ours, const RunFiles& theirs);

}  // namespace lookback::tests
