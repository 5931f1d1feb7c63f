#include "runtime/launch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

namespace lookback {
namespace {

template <class... Values>
[[noreturn]] void refuse(fmt::format_string<Values...> message, const Values&... values) {
  throw LaunchError(fmt::vformat(message, fmt::make_format_args(values...)));
}

class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  bool has(const char* name) const { return !text(name).empty(); }

  // Empty also where there is none.
  std::string_view text(const char* name) const {
    const char* value = environment_(name);
    return value == nullptr ? std::string_view() : value;
  }

  std::optional<std::int64_t> number_if_set(const char* name) const {
    const auto value = text(name);
    if (value.empty()) return std::nullopt;
    std::int64_t number = 0;
    const auto* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || stop != end) refuse("{}={}: must be a number", name, value);
    return number;
  }

  // At least `least`, and below `limit`.
  int number(const char* name, int least, int limit, std::string_view launcher) const {
    const auto number = number_if_set(name);
    if (!number) {
      refuse("the environment has part of what {} sets, but not {}", launcher, name);
    }
    if (*number < least || *number >= limit) {
      refuse("{}={}: must be at least {} and less than {}", name, *number, least, limit);
    }
    return static_cast<int>(*number);
  }

  struct Names {
    const char *rank, *size, *local_rank, *local_size;
  };
  Launch read(const Names& names, Launch::Kind kind, Launch::Mpi mpi,
              std::string_view launcher) const {
    Launch launch{.kind = kind, .mpi = mpi};
    launch.size = count(names.size, launcher);
    launch.rank = number(names.rank, 0, launch.size, launcher);
    launch.local_size = number(names.local_size, 1, launch.size + 1, launcher);
    launch.local_rank = number(names.local_rank, 0, launch.local_size, launcher);
    return launch;
  }

  int count(const char* name, std::string_view launcher) const {
    return number(name, 1, std::numeric_limits<int>::max(), launcher);
  }

 private:
  const Environment& environment_;
};

// How many tasks a node has of "2(x3),1": two on each of the first three nodes, one on the fourth.
// Nothing where the list says so of no such node.
std::optional<int> tasks_of_node(std::string_view list, std::int64_t node) {
  while (!list.empty()) {
    const auto entry = list.substr(0, list.find(','));
    list.remove_prefix(std::min(entry.size() + 1, list.size()));
    int tasks = 0;
    std::int64_t nodes = 1;
    const auto* end = entry.data() + entry.size();
    const auto [rest, error] = std::from_chars(entry.data(), end, tasks);
    if (error != std::errc()) return std::nullopt;
    if (std::string_view(rest, end).starts_with("(x")) std::from_chars(rest + 2, end, nodes);
    if (node < nodes) return tasks;
    node -= nodes;
  }
  return std::nullopt;
}

// A batch script and the shell of salloc have SLURM_PROCID=0, and SLURM_NTASKS of all that the job
// may start, though each is one process. What tells a task of srun apart is the number of its step:
// a batch script has none, and the shell that salloc runs on a node (its "interactive step") has
// one of those at the end of 32 bits that Slurm keeps for steps which are not a user's.
bool is_task_of_srun(const Variables& variables) {
  constexpr std::int64_t first_of_slurms_own = 0xfffffff0;
  std::int64_t step = first_of_slurms_own;
  const auto text = variables.text("SLURM_STEP_ID");
  std::from_chars(text.data(), text.data() + text.size(), step);  // "batch" leaves it as it is
  return step < first_of_slurms_own;
}

// Where this task's place on its node is said by srun.
void read_local_of_srun(const Variables& variables, Launch& launch) {
  launch.local_rank = variables.number("SLURM_LOCALID", 0, launch.size, "srun");
  auto list = variables.text("SLURM_STEP_TASKS_PER_NODE");
  if (list.empty()) list = variables.text("SLURM_TASKS_PER_NODE");
  if (list.empty()) {
    refuse("the environment has part of what srun sets, but not SLURM_STEP_TASKS_PER_NODE");
  }
  const auto node = variables.number_if_set("SLURM_NODEID").value_or(0);
  launch.local_size = tasks_of_node(list, node).value_or(0);
  if (launch.local_size <= launch.local_rank || launch.local_size > launch.size) {
    refuse("SLURM_LOCALID={}: must be less than the {} tasks of node {} in \"{}\"",
           launch.local_rank, launch.local_size, node, list);
  }
}

Launch read_srun(const Variables& variables) {
  Launch launch{.kind = Launch::Kind::slurm};
  // A step may have fewer tasks than the job that it belongs to.
  const bool of_step = variables.has("SLURM_STEP_NUM_TASKS");
  launch.size = variables.count(of_step ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS", "srun");
  if (launch.size == 1) return launch;
  launch.rank = variables.number("SLURM_PROCID", 0, launch.size, "srun");
  read_local_of_srun(variables, launch);
  if (variables.has("PMIX_RANK")) launch.mpi = Launch::Mpi::open_mpi;
  return launch;
}

Launch read_pmi(const Variables& variables) {
  const std::string_view launcher = "PMI (MPICH's mpirun)";
  const auto mpi = Launch::Mpi::mpich;
  if (variables.has("MPI_LOCALRANKID") || !is_task_of_srun(variables)) {
    return variables.read({"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
                          Launch::Kind::pmi, mpi, launcher);
  }
  Launch launch{.kind = Launch::Kind::slurm, .mpi = mpi};  // srun --mpi=pmi2
  launch.size = variables.count("PMI_SIZE", launcher);
  launch.rank = variables.number("PMI_RANK", 0, launch.size, launcher);
  read_local_of_srun(variables, launch);
  return launch;
}

Launch read_any(const Variables& variables) {
  const auto any = [&](auto... names) { return (variables.has(names) || ...); };
  if (any("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK",
          "OMPI_COMM_WORLD_LOCAL_SIZE")) {
    return variables.read({"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                           "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
                          Launch::Kind::open_mpi, Launch::Mpi::open_mpi, "Open MPI's mpirun");
  }
  if (any("PMI_RANK", "PMI_SIZE")) return read_pmi(variables);
  if (is_task_of_srun(variables) && any("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")) {
    return read_srun(variables);
  }
  // MASTER_ADDR and MASTER_PORT alone say nothing of how many there are.
  if (any("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")) {
    const auto launch = variables.read({"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
                                       Launch::Kind::torchrun, Launch::Mpi::none, "torchrun");
    for (const char* name : {"MASTER_ADDR", "MASTER_PORT"}) {
      if (launch.size > 1 && !variables.has(name)) {
        refuse("the environment has part of what torchrun sets, but not {}", name);
      }
    }
    return launch;
  }
  return {};
}

}  // namespace

Launch read_launch(const Environment& environment) {
  const auto launch = read_any(Variables(environment));
  return launch.size > 1 ? launch : Launch{};
}

Launch read_launch() {
  return read_launch([](const char* name) { return std::getenv(name); });
}

}  // namespace lookback
