// What two runs must have in common to be the same run.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace lookback::tests {

// Every file of a run's folder, by its path there, with its bytes; left out is what no two runs
// share: how long they took, the name of their folder, their threads, and that they were resumed.
std::map<std::string, std::string> run_files(const std::filesystem::path& run);

}  // namespace lookback::tests
