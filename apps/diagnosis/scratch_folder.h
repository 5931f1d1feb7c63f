// A folder of a check's own, in memory where the system has such a place. It is gone with the object.
#pragma once

#include <filesystem>

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
};

}  // namespace lookback
