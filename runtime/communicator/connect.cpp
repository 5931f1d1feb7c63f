#include <dlfcn.h>
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/communicator.h"
#include "runtime/communicator/communicator_over.h"
#include "runtime/communicator/transport.h"
#include "runtime/library_search.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// What signals do in this process is the program's. MPI, and UCX as soon as it is loaded, take
// SIGBUS and others in order to show where they crashed: all is put back.
class KeptSignals {
 public:
  KeptSignals() {
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action = {};
      if (sigaction(signal, nullptr, &action) == 0) before_.emplace_back(signal, action);
    }
  }
  ~KeptSignals() {
    for (const auto& [signal, action] : before_) sigaction(signal, &action, nullptr);
  }
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;

 private:
  std::vector<std::pair<int, struct sigaction>> before_;
};

struct Module {
  const char *file, *implementation, *package;
};

Module module_of(Launch::Mpi mpi) {
  if (mpi == Launch::Mpi::open_mpi) {
    return {"lookback_mpi_openmpi.so", "Open MPI", "libopenmpi-dev"};
  }
  return {"lookback_mpi_mpich.so", "MPICH", "libmpich-dev"};
}

// Beside the program, as it is built, and where it is installed.
std::vector<fs::path> folders() {
  std::error_code failed;
  const auto program = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return {};
  return {program.parent_path(), program.parent_path().parent_path() / "lib"};
}

// Of the transport's module: the function of that name, or null.
template <class Function>
Function* function_of(void* handle, const char* name) {
  return reinterpret_cast<Function*>(dlsym(handle, name));
}

std::string why_not(void* handle) {
  auto* const version = function_of<TransportVersion>(handle, transport_version_symbol);
  if (version == nullptr || dlsym(handle, make_transport_symbol) == nullptr) {
    return "is no module of Lookback";
  }
  return version() == transport_version ? "" : "is of another build of Lookback";
}

std::shared_ptr<Transport> open_transport(Launch::Mpi mpi) {
  const auto module = module_of(mpi);
  const auto opened = open_library(
      {.operation = "communicator",
       .file = module.file,
       .variable = "LOOKBACK_MPI_MODULE",
       .folders = folders(),
       .advice = fmt::format("This run was started for {}: install {} and build Lookback again",
                             module.implementation, module.package)},
      why_not);
  auto* const make = function_of<MakeTransport>(opened.handle, make_transport_symbol);
  return {make(), [](Transport*) {}};  // it is the module's, for as long as the process lives
}

}  // namespace

std::unique_ptr<Communicator> connect(const Launch& launch, std::chrono::seconds timeout) {
  if (launch.size == 1) return single_process();
  if (launch.kind == Launch::Kind::torchrun) {
    throw LaunchError(fmt::format(
        "torchrun has started {} processes, which Lookback cannot connect: mpirun -n {} does",
        launch.size, launch.size));
  }
  if (launch.mpi == Launch::Mpi::none) {
    throw LaunchError(fmt::format(
        "srun has started {} tasks with no MPI between them: srun --mpi=pmix (Open MPI), srun "
        "--mpi=pmi2 (MPICH) or mpirun connects them",
        launch.size));
  }
  const KeptSignals kept;
  return communicator_over(open_transport(launch.mpi), launch, {.timeout = timeout});
}

}  // namespace lookback
