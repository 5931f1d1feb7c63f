// Runs of several processes under an mpirun, as a user would start them.
#pragma once

#include <string>
#include <vector>

namespace lookback::tests {

struct MpiRun {
  int code = -1;     // the exit code; 128 + signal when one killed it
  std::string text;  // of stdout and stderr together
  double seconds = 0;
  // Process ids of ranks that were still there afterwards; they have been killed.
  std::vector<int> left;
};

class MpiLauncher {
 public:
  // "openmpi", "mpich"
  explicit MpiLauncher(std::string implementation);

  // Why nothing can be run: no mpirun, or no module of Lookback's. Empty where it can.
  std::string missing() const;

  // lookback_mpi_ranks SCENARIO TIMEOUT, so many of them. An mpirun that does not end within a
  // minute and a half is killed.
  MpiRun run(int ranks, const std::string& scenario, int timeout_seconds) const;

 private:
  std::string implementation_, mpirun_;
};

}  // namespace lookback::tests
