#include "apps/folder/work_folder.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "apps/cli/console.h"
#include "apps/folder/folder_entries.h"
#include "apps/folder/replacement.h"
#include "runtime/check.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr auto folder_name = ".lookback", mark_name = "README";
constexpr std::string_view mark =
    "lookback works in this folder while a run goes on in the one above. When none does, the next\n"
    "`lookback train` there tidies up, and puts back what a killed `--overwrite` had set aside.\n";

void warn(const std::string& problem) {
  if (!problem.empty()) print_warning(problem);
}

// Everything but the mark, which goes last: while there is anything it must tell whose that is.
std::string emptied(const fs::path& folder) {
  std::string problem;
  for (const auto& name : names_in(folder)) {
    if (name == mark_name) continue;
    if (auto each = remove_tree(folder / name); problem.empty()) problem = std::move(each);
  }
  return problem;
}

std::string removed(const fs::path& folder) {
  try {
    if (!has_work_folder(folder.parent_path()) || is_half_replaced(folder.parent_path())) return {};
    if (auto problem = emptied(folder); !problem.empty()) return problem;
    sync_folder(folder);
    return remove_tree(folder);
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

fs::path work_folder_of(const fs::path& parent) { return parent / folder_name; }

bool has_work_folder(const fs::path& parent) {
  const auto folder = work_folder_of(parent);
  if (!is_own_folder(folder)) return false;
  const auto path = folder / mark_name;
  if (is_there(path) && read_file(path, "output") == mark) return true;
  // A mark that a kill cut short, or a power cut emptied, is one as long as nothing else is there.
  return std::ranges::all_of(names_in(folder),
                             [](const auto& name) { return name.starts_with(mark_name); });
}

std::string remove_left_work(const fs::path& parent) noexcept {
  return removed(work_folder_of(parent));
}

WorkFolder::WorkFolder(fs::path owner) : owner_(std::move(owner)), folder_(work_folder_of(owner_)) {
  if (is_there(folder_)) {
    if (!has_work_folder(owner_)) {
      fail("output", "{}: is in the way, and not a folder of lookback's: move it away",
           folder_.string());
    }
    mark_unfinished();
    warn(emptied(folder_));
  } else {
    mark_unfinished();
    make_folder_at(folder_);
  }
  unfinished_->is_made();
  ReplacingFile file(folder_ / mark_name);
  file.write(mark);
  file.commit();
  sync_folder(owner_);
  temporaries_.emplace(folder_);
}

void WorkFolder::mark_unfinished() {
  unfinished_.emplace(folder_, Unfinished::Kind::folder,
                      Unfinished::Special{.last = mark_name, .keeper = kept_entries_name});
}

fs::path WorkFolder::fresh(std::string_view name) const {
  auto path = folder_ / name;
  if (const auto problem = remove_tree(path); !problem.empty()) fail("output", "{}", problem);
  make_folder_at(path);
  return path;
}

void WorkFolder::put_folder(std::string_view name,
                            const std::function<void(const fs::path&)>& write) const {
  const auto staged = fresh(name);
  write(staged);
  if (is_there(owner_ / name)) discard(name);
  rename_to(staged, owner_ / name);
  sync_folder(owner_);
}

void WorkFolder::discard(std::string_view name) const {
  const auto target = free_path(folder_, fmt::format("{}-removed", name));
  if (const int error = rename_path(owner_ / name, target)) {
    return warn(fmt::format("{}: cannot be removed: {}", (owner_ / name).string(),
                            std::generic_category().message(error)));
  }
  try {
    // A power cut must not bring half of it back.
    sync_folder(folder_);
    sync_folder(owner_);
    warn(remove_tree(target));
  } catch (const Error& error) {
    warn(error.what());
  }
}

}  // namespace lookback
