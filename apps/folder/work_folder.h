// Where a run writes what is not whole yet, and puts what is to go, so that in its own folder
// no reader meets half a file or half a checkpoint, and what a killed run leaves is known again.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "apps/folder/unfinished.h"
#include "runtime/replacing_file.h"

namespace lookback {

// FOLDER/.lookback, with the temporary files of all that is written while it lives. A file inside,
// written before anything else, marks it as ours: a folder of that name without it is somebody
// else's, and nothing is removed from it. (One that is empty is ours as well: the process was
// killed before it wrote the mark.) The process that makes one owns FOLDER (claimed_folder.h), and
// removes it when the work is done (remove_left_work).
class WorkFolder {
 public:
  // Makes it, so that it outlasts a power cut; what a killed process left in it is removed. Throws
  // Error where it cannot be made, or where something else bears its name.
  explicit WorkFolder(std::filesystem::path owner);
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const std::filesystem::path& parent() const { return owner_; }
  const std::filesystem::path& path() const { return folder_; }

  // An empty folder in it.
  std::filesystem::path fresh(std::string_view name) const;

  // Calls `write` with an empty folder, which then becomes PARENT/name in one step. Returns when
  // that is durable; what was written must be. What bears that name gives way.
  void put_folder(std::string_view name,
                  const std::function<void(const std::filesystem::path&)>& write) const;

  // Removes an entry of the parent, which it leaves in one step. Where that cannot be, or not all
  // of it can be removed, a warning says why, and that is all.
  void discard(std::string_view name) const;

 private:
  void mark_unfinished();

  std::filesystem::path owner_, folder_;
  std::optional<Unfinished> unfinished_;  // once it is ours
  std::optional<TemporaryFilesIn> temporaries_;
};

// Where the work folder of `parent` is, and whether it has one that is ours.
std::filesystem::path work_folder_of(const std::filesystem::path& parent);
bool has_work_folder(const std::filesystem::path& parent);

// Removes the work folder, of a process that is done or was killed, if there is one; but for what a
// replacement that could not be undone has put there (replacement.h). Returns why that cannot be,
// and never throws: for destructors; empty: it is gone. The caller owns `parent`.
std::string remove_left_work(const std::filesystem::path& parent) noexcept;

}  // namespace lookback
