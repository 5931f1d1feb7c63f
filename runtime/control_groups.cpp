#include "runtime/control_groups.h"

#include <fstream>
#include <string>

namespace lookback {
namespace {

namespace fs = std::filesystem;

fs::path base_of(const fs::path& root) { return root / "sys/fs/cgroup"; }

// The path of the second version's group: "0::/a/b".
std::string group_of_process(const fs::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return {};
}

}  // namespace

void each_control_group(const fs::path& root, const std::function<void(const fs::path&)>& body) {
  for (fs::path group = group_of_process(root);; group = group.parent_path()) {
    body(base_of(root) / group);
    if (group.empty() || group == group.parent_path()) break;
  }
}

fs::path first_version_group(const fs::path& root, const char* controller) {
  return base_of(root) / controller;
}

}  // namespace lookback
