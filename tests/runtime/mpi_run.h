// Runs of several processes under an mpirun, as a user would start them.
#pragma once

#include <functional>
#include <optional>
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

  // So many ranks of one command.
  struct Part {
    int ranks;
    std::vector<std::string> command;
  };
  // Ranks are counted through the parts. `mark`, which their command lines hold, tells the
  // processes of this run from all others; `meanwhile` is called again and again with that of
  // mpirun. Each rank computes with one thread.
  using Meanwhile = std::function<void(int)>;
  MpiRun run(const std::vector<Part>& parts, const std::string& mark,
             const Meanwhile& meanwhile = {}) const;

 private:
  std::string implementation_, mpirun_;
};

// The process of that rank; none: not yet, or no more.
std::optional<int> process_of_rank(const std::string& mark, int rank);

}  // namespace lookback::tests
