// Which of the processes of a run this one is, as its launcher says in the environment.
#pragma once

#include <functional>

#include "runtime/error.h"

namespace lookback {

// The environment is no place in a run, or one that nothing here can reach: wrong usage.
class LaunchError : public Error {
 public:
  using Error::Error;
};

struct Launch {
  enum class Kind {
    alone,     // no launcher, or one that has started a single process
    open_mpi,  // Open MPI's mpirun
    pmi,       // MPICH's mpirun (Hydra), and others that speak PMI
    torchrun,
    slurm,  // srun
  };
  // Which MPI understands what this launcher has put up.
  enum class Mpi { none, open_mpi, mpich };

  int rank = 0, size = 1;
  int local_rank = 0, local_size = 1;  // among the ranks on this host
  Kind kind = Kind::alone;
  Mpi mpi = Mpi::none;
};

// What getenv is: null where there is no such variable.
using Environment = std::function<const char*(const char*)>;

// The innermost launcher counts: Open MPI's or MPICH's mpirun before srun, in whose steps they may
// have started, and both before torchrun, whose variables scripts like to set from theirs.
//
// Throws LaunchError that names a missing variable where half a set is there, and the variable and
// its value where that is no number, or one that does not fit the others.
Launch read_launch(const Environment& environment);
Launch read_launch();  // of this process

}  // namespace lookback
