#include "apps/folder/replacement.h"

#include <algorithm>
#include <chrono>
#include <sstream>
#include <system_error>
#include <thread>

#include "apps/cli/console.h"
#include "apps/folder/folder_entries.h"
#include "apps/folder/unfinished.h"
#include "runtime/check.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// In kept/ there are: nothing but the names (nothing has moved); `aside`, also beside `old` (the
// old entries are here or in their places, the new ones nowhere); `old` alone (all old entries are
// here, the new ones of these names may be in place).
struct Kept {
  explicit Kept(const fs::path& folder)
      : work(work_folder_of(folder)),
        path(work / kept_entries_name),
        names(path / "names"),
        aside(path / "aside"),
        old(path / "old") {}
  fs::path work, path, names, aside, old;
};

// What is in `from` moves to `to`, file by file, so that `from` is gone. `shown` is what an error
// calls `from`.
void move_tree(const fs::path& from, const fs::path& to, const fs::path& shown) {
  for (const auto& name : names_in(from)) {
    if (is_own_folder(from / name)) {
      if (!is_there(to / name)) {
        make_folder_at(to / name);
        std::error_code ignored;
        fs::permissions(to / name, fs::status(from / name, ignored).permissions(), ignored);
        sync_folder(to);
      }
      move_tree(from / name, to / name, shown / name);
    } else if (const int error = rename_path(from / name, to / name)) {
      fail("output", "{}: cannot be removed: {}", (shown / name).string(),
           std::generic_category().message(error));
    }
  }
  sync_folder(to);
  remove_empty_folder(from);
}

void write_names(const Kept& kept, const std::vector<std::string>& names) {
  ReplacingFile file(kept.names);
  for (const auto& name : names) file.write(name + "\n");
  file.commit();
}

void set_aside(const Kept& kept, const fs::path& folder, const std::vector<std::string>& names) {
  make_folder_at(kept.aside);
  sync_folder(kept.path);
  sync_folder(kept.work);
  for (const auto& name : names) {
    if (!is_there(folder / name)) continue;
    if (const int error = rename_path(folder / name, kept.aside / name)) {
      fail("output", "{}: cannot be removed: {}", (folder / name).string(),
           std::generic_category().message(error));
    }
  }
  sync_folder(kept.aside);
  sync_folder(folder);
  make_folder_at(kept.old);
  sync_folder(kept.path);
  move_tree(kept.aside, kept.old, folder);
  sync_folder(kept.path);
}

// The step behind which nothing of it counts. Returns where it is now.
fs::path let_go(const Kept& kept) {
  auto gone = free_path(kept.work, "gone");
  rename_to(kept.path, gone);
  sync_folder(kept.work);
  return gone;
}

void take_back_new_ones(const Kept& kept, const fs::path& folder) {
  std::istringstream names(read_file(kept.names, "output"));
  const auto dropped = kept.path / "dropped";
  if (!is_there(dropped)) make_folder_at(dropped);
  for (std::string name; std::getline(names, name);) {
    if (is_there(folder / name)) rename_to(folder / name, dropped / name);
  }
  sync_folder(dropped);
  sync_folder(folder);
}

std::string way_back(const fs::path& folder) {
  return fmt::format("`lookback train --resume --output-dir {}` puts the earlier one back",
                     shell_word(folder.string()));
}

// Behind an error: what has become of the folder.
std::string restored(const fs::path& folder) {
  try {
    restore_replaced(folder);
    return fmt::format("{} is as it was", folder.string());
  } catch (const Error&) {
    return way_back(folder);  // the first cause is what must be heard
  }
}

}  // namespace

void replace_entries(const WorkFolder& work, const fs::path& staged,
                     std::vector<std::string> old_names) {
  const auto& folder = work.parent();
  const Kept kept(folder);
  const auto new_names = names_in(staged);
  old_names.insert(old_names.end(), new_names.begin(), new_names.end());
  fs::path gone;
  try {
    const UnendedSteps steps;
    make_folder_at(kept.path);
    write_names(kept, new_names);
    set_aside(kept, folder, old_names);
    for (const auto& name : new_names) rename_to(staged / name, folder / name);
    sync_folder(folder);
    gone = let_go(kept);
  } catch (const Error& error) {
    throw Error(fmt::format("{}; {}", error.what(), restored(folder)));
  }
  if (const auto problem = remove_tree(gone); !problem.empty()) print_warning(problem);
}

bool is_half_replaced(const fs::path& folder) {
  return is_there(Kept(folder).path) && has_work_folder(folder);
}

void restore_replaced(const fs::path& folder) {
  const Kept kept(folder);
  if (!is_half_replaced(folder)) return;
  const UnendedSteps steps;
  if (is_there(kept.old)) {
    if (!is_there(kept.aside)) {
      take_back_new_ones(kept, folder);
      make_folder_at(kept.aside);
      sync_folder(kept.path);
    }
    move_tree(kept.old, kept.aside, folder);
    sync_folder(kept.path);
  }
  if (is_there(kept.aside)) {
    for (const auto& name : names_in(kept.aside)) rename_to(kept.aside / name, folder / name);
    sync_folder(folder);
    remove_empty_folder(kept.aside);
    sync_folder(kept.path);
  }
  let_go(kept);
}

void refuse_half_replaced(const fs::path& folder) {
  constexpr auto pause = std::chrono::milliseconds(10), most = std::chrono::milliseconds(3000);
  for (auto waited = 0 * pause; waited < most; waited += pause) {
    if (!is_half_replaced(folder)) return;
    std::this_thread::sleep_for(pause);
  }
  fail("model", "{}: a new run is taking the place of an earlier one; where that was killed, {}",
       folder.string(), way_back(folder));
}

}  // namespace lookback
