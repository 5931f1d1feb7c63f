#include "apps/compare/find_runs.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "apps/folder/folder_entries.h"
#include "apps/train/run_entries.h"
#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr int deepest = 3;  // folders below the one that is named

void collect(const fs::path& folder, int depth, std::vector<fs::path>& found) {
  if (is_run_folder(folder)) {
    found.push_back(folder);
    return;
  }
  if (depth == deepest) return;
  for (const auto& name : names_in(folder, "report")) {
    std::error_code ignored;
    const bool hidden = name.starts_with('.');
    if (!hidden && fs::is_directory(folder / name, ignored))
      collect(folder / name, depth + 1, found);
  }
}

// A run's folder, however it was written.
fs::path plain(const fs::path& path) {
  std::error_code problem;
  auto whole = fs::canonical(path, problem);
  return problem ? path : whole;
}

void check_named(const fs::path& path) {
  const Check check{"report"};
  std::error_code problem;
  const auto status = fs::status(path, problem);
  check(fs::exists(status), "{}: there is no such folder", path.string());
  check(fs::is_directory(status), "{}: is no folder; a run is named by its folder", path.string());
  const auto whole = plain(path);
  check(is_run_folder(whole) || !step_of_checkpoint(whole) || !is_run_folder(whole.parent_path()),
        "{}: is a checkpoint; its run is {}", path.string(), whole.parent_path().string());
}

std::vector<std::string> parts_of(const fs::path& folder) {
  std::vector<std::string> parts;
  for (const auto& part : folder) parts.push_back(part.string());
  return parts;
}

// How many of their first parts (or of their last ones, of reversed parts) all have in common.
std::size_t parts_in_common(const std::vector<std::vector<std::string>>& all) {
  std::size_t count = 0;
  const auto shared = [&](const auto& parts) {
    return count < parts.size() && parts[count] == all.front()[count];
  };
  while (count < all.front().size() && std::ranges::all_of(all, shared)) ++count;
  return count;
}

}  // namespace

bool is_run_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "options.toml", ignored) ||
         fs::is_regular_file(folder / "metrics.jsonl", ignored);
}

std::vector<fs::path> find_runs(const std::vector<std::string>& named) {
  std::vector<fs::path> runs;
  std::set<fs::path> seen;
  for (const auto& each : named) {
    check_named(each);
    std::vector<fs::path> found;
    collect(plain(each), 0, found);
    if (found.empty()) {
      fail("report",
           "{}: holds no run, and neither does a folder in it: a run has the options.toml and "
           "metrics.jsonl that train writes",
           each);
    }
    for (const auto& folder : found) {
      if (seen.insert(plain(folder)).second) runs.push_back(folder);
    }
  }
  return runs;
}

std::vector<std::string> short_names(const std::vector<fs::path>& folders) {
  std::vector<std::vector<std::string>> all;
  for (const auto& folder : folders) all.push_back(parts_of(folder));
  if (all.size() == 1) return {all.front().back()};
  // At least one part of each stays, also where one run lies in another.
  std::size_t shortest = all.front().size();
  for (const auto& parts : all) shortest = std::min(shortest, parts.size());
  const auto first = std::min(parts_in_common(all), shortest - 1);
  for (auto& parts : all) std::ranges::reverse(parts);
  const auto last = std::min(parts_in_common(all), shortest - 1 - first);
  std::vector<std::string> names;
  for (auto& parts : all) {
    std::ranges::reverse(parts);
    fs::path name;
    for (auto i = first; i < parts.size() - last; ++i) name /= parts[i];
    names.push_back(name.string());
  }
  return names;
}

}  // namespace lookback
