// Where a run puts its files: never over another run by accident, never half, never beside another
// that is still at work there.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "apps/folder/claimed_folder.h"
#include "apps/folder/work_folder.h"

namespace lookback {

enum class ExistingRun { refused, replaced, resumed };

// What of an earlier run `directory` may hold is what run_entries() names. Other files in it are
// left alone.
bool holds_run(const std::filesystem::path& directory);

class OutputFolder {
 public:
  // The folder is this process's from here on: made, with those above it, where it is missing (but
  // for a resumed run), and locked. Where a killed process had replaced half of a run, the earlier
  // one is put back. Throws Error where `directory` is no folder, holds a run that may not be
  // replaced, holds none that could be resumed, cannot be written, or belongs to a run that is
  // still going on.
  OutputFolder(std::filesystem::path directory, ExistingRun existing);
  // Removes what is not whole; where no run has begun also the folders that were made.
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  // Calls write_first_files with a staging folder; what it wrote there then takes the earlier run's
  // place. When anything fails, or the process is killed, the earlier run is whole, and nothing of
  // the new one is left, once another process owns the folder.
  void begin(const std::function<void(const std::filesystem::path&)>& write_first_files);

  // Made when it is first asked for. Throws Error where the output folder has been moved away.
  const WorkFolder& work();

  const std::filesystem::path& path() const { return claimed_.path(); }

 private:
  ExistingRun existing_;
  ClaimedFolder claimed_;
  std::optional<WorkFolder> working_;
};

}  // namespace lookback
