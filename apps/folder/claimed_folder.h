// A folder that belongs to one process at a time.
#pragma once

#include <filesystem>

#include "apps/folder/made_folders.h"
#include "runtime/system_files.h"

namespace lookback {

// Makes the folder and those above it where they are missing, and locks it, for as long as the
// object lives; a killed process lets go of it, too. Where several start at the same moment, one
// has it.
class ClaimedFolder {
 public:
  // Throws Error where it is no folder, cannot be made or written, or another process has it.
  explicit ClaimedFolder(std::filesystem::path folder);

  const std::filesystem::path& path() const { return directory_; }
  // The folders that were made stay; without it those that are empty are removed again.
  void keep() { made_.keep(); }
  // False: the folder has been moved away, so that its path is free, or another's.
  bool in_place() const;
  void check_in_place() const;  // throws Error where it is not

 private:
  bool claim();

  std::filesystem::path directory_;
  FileDescriptor descriptor_;
  MadeFolders made_;  // behind the lock: they are removed while it is held
};

// Whether a process has it. Asking takes the lock for a moment, in which no run can begin there: it
// is for folders that have a work folder (work_folder.h), of a run that is at work or was killed.
bool is_claimed(const std::filesystem::path& folder);

}  // namespace lookback
