// A folder of a check's own, in memory where the system has such a place. It is gone with the
// object, or when a signal ends the program; one that a killed process left goes when the next is
// made.
#pragma once

#include <filesystem>
#include <optional>

#include "apps/folder/unfinished.h"
#include "runtime/system_files.h"

namespace lookback {

class ScratchFolder {
 public:
  // Throws Error where none can be made.
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return directory_; }
  // An empty folder in it.
  std::filesystem::path fresh(const char* name) const;

 private:
  std::filesystem::path directory_;
  FileDescriptor in_use_;  // locked, for processes that do not see this one
  std::optional<Unfinished> unfinished_;
};

}  // namespace lookback
