// How many cores this process may use.
#pragma once

#include <filesystem>
#include <string>

namespace lookback {

// Those of its affinity (taskset, batch systems), or as many as the time that its control groups
// give it is worth (cpu.max: containers), rounded up, where that is less; at least 1. `root` is /
// but in tests.
int usable_cores(const std::filesystem::path& root = "/");

// The cores of its affinity, by which two processes see whether they have the same: "0 1 6".
std::string allowed_cores();

// What OMP_NUM_THREADS says, by which people and batch systems have long set the threads of a
// process: "4", or "4,2" with those of nested work. 0: nothing, or no such number.
int threads_said_by(const char* omp_num_threads);

}  // namespace lookback
