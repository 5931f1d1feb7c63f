#include "runtime/usable_cores.h"

#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/control_groups.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// By their numbers; empty: not known.
std::vector<int> cores_of_affinity() {
  constexpr int most = 1 << 16;
  for (int room = 1024; room <= most; room *= 4) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(static_cast<std::size_t>(room)), [](cpu_set_t* owned) { CPU_FREE(owned); });
    const auto bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(room));
    if (sched_getaffinity(0, bytes, set.get()) == 0) {
      std::vector<int> cores;
      for (int core = 0; core < room; ++core) {
        if (CPU_ISSET_S(static_cast<std::size_t>(core), bytes, set.get())) cores.push_back(core);
      }
      return cores;
    }
    if (errno != EINVAL) break;  // otherwise the machine has more than there is room for
  }
  return {};
}

int count_of_affinity() {
  const auto cores = cores_of_affinity();
  return cores.empty() ? static_cast<int>(std::thread::hardware_concurrency())
                       : static_cast<int>(cores.size());
}

// Both in microseconds.
int cores_worth(double quota, double period) {
  return std::max(1, static_cast<int>((quota + period - 1) / period));
}

}  // namespace

int usable_cores(const fs::path& root) {
  int cores = std::max(1, count_of_affinity());
  each_control_group(root, [&](const fs::path& group) {
    std::ifstream file(group / "cpu.max");  // "150000 100000", or "max 100000"
    double quota = 0, period = 0;
    if (file >> quota >> period && quota > 0 && period > 0)
      cores = std::min(cores, cores_worth(quota, period));
  });
  const auto first = first_version_group(root, "cpu");
  std::ifstream quota_file(first / "cpu.cfs_quota_us"), period_file(first / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0)
    cores = std::min(cores, cores_worth(quota, period));
  return cores;
}

std::string allowed_cores() { return fmt::format("{}", fmt::join(cores_of_affinity(), " ")); }

int threads_said_by(const char* omp_num_threads) {
  constexpr long most = 1 << 20;
  char* end = nullptr;
  const long count = omp_num_threads == nullptr ? 0 : std::strtol(omp_num_threads, &end, 10);
  const bool is_number = count > 0 && count <= most && (*end == '\0' || *end == ',');
  return is_number ? static_cast<int>(count) : 0;
}

}  // namespace lookback
