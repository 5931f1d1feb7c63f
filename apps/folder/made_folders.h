// Folders that this process makes on the way to one.
#pragma once

#include <filesystem>
#include <list>

#include "apps/folder/unfinished.h"

namespace lookback {

// Removes at its end, or when a signal ends the program, those that it made and that nothing is in.
class MadeFolders {
 public:
  MadeFolders() = default;
  ~MadeFolders();
  MadeFolders(const MadeFolders&) = delete;
  MadeFolders& operator=(const MadeFolders&) = delete;

  // Makes what is missing of `folder`; false: one of those above it was removed in between. Throws
  // Error where it is no folder or cannot be made.
  bool make(const std::filesystem::path& folder);
  // They stay, whatever is in them.
  void keep() { folders_.clear(); }

 private:
  struct Made {
    explicit Made(std::filesystem::path folder);
    std::filesystem::path path;
    Unfinished unfinished;
  };
  std::list<Made> folders_;  // the outermost first
};

}  // namespace lookback
