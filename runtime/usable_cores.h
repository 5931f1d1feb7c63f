// How many cores this process may use.
#pragma once

#include <filesystem>

namespace lookback {

// Those of its affinity (taskset, batch systems), or as many as the time that its control groups
// give it is worth (cpu.max: containers), rounded up, where that is less; at least 1. `root` is /
// but in tests.
int usable_cores(const std::filesystem::path& root = "/");

}  // namespace lookback
