// A folder for the files of a report, which others may stand in as well.
#pragma once

#include <filesystem>

#include "apps/folder/made_folders.h"

namespace lookback {

class ReportFolder {
 public:
  // Makes the folder and those above it where they are missing; those that nothing has been written
  // into are gone with the object. What a killed process has left there of a report's files is
  // removed. Throws Error where the folder cannot be made, or is none.
  explicit ReportFolder(const std::filesystem::path& folder);

 private:
  MadeFolders made_;
};

}  // namespace lookback
