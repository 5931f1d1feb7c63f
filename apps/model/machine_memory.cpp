#include "apps/model/machine_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "runtime/control_groups.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  std::int64_t number = 0;
  if (!(file >> number)) return std::nullopt;  // "max" too
  return number;
}

// MemAvailable and SwapFree, in kB.
std::optional<std::int64_t> of_the_system(const fs::path& root) {
  std::ifstream file(root / "proc/meminfo");
  std::optional<std::int64_t> available;
  std::int64_t swap = 0;
  for (std::string key, unit; file >> key;) {
    std::int64_t value = 0;
    file >> value;
    std::getline(file, unit);
    if (key == "MemAvailable:") available = value;
    if (key == "SwapFree:") swap = value;
  }
  if (!available) return std::nullopt;
  return (*available + swap) * 1024;
}

// Of the group and of all that it lies in; what is used and could be given back counts as free.
std::optional<std::int64_t> of_groups(const fs::path& root) {
  std::optional<std::int64_t> least;
  const auto take = [&](const fs::path& limit, const fs::path& used, const fs::path& stat,
                        const std::string& reclaimable) {
    const auto most = number_in(limit), now = number_in(used);
    if (!most || !now) return;
    std::int64_t inactive = 0;
    std::ifstream file(stat);
    for (std::string key; file >> key;) {
      std::int64_t value = 0;
      file >> value;
      if (key == reclaimable) inactive = value;
    }
    const auto left = std::max<std::int64_t>(0, *most - *now + inactive);
    least = std::min(least.value_or(left), left);
  };
  each_control_group(root, [&](const fs::path& group) {
    take(group / "memory.max", group / "memory.current", group / "memory.stat", "inactive_file");
  });
  const auto first = first_version_group(root, "memory");
  take(first / "memory.limit_in_bytes", first / "memory.usage_in_bytes", first / "memory.stat",
       "total_inactive_file");
  return least;
}

}  // namespace

std::optional<std::int64_t> available_bytes(const fs::path& root) {
  const auto system = of_the_system(root), groups = of_groups(root);
  if (!system || !groups) return system ? system : groups;
  return std::min(*system, *groups);
}

}  // namespace lookback
