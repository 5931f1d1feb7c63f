// Where a run puts its files: never over another run by accident, never half.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

namespace lookback {

enum class ExistingRun { refused, replaced };

// What `directory` may hold of an earlier run: config.json, model.safetensors, options.toml,
// metrics.jsonl, checkpoint-N. Other files in it are left alone.
bool holds_run(const std::filesystem::path& directory);

class OutputFolder {
 public:
  // Throws Error where `directory` is no folder, holds a run that may not be replaced, or cannot be
  // written. Changes nothing.
  OutputFolder(std::filesystem::path directory, ExistingRun existing);

  // Calls write_first_files with a staging folder; what it wrote there then takes the earlier run's
  // place. When anything fails before that, it is as if it had never been called: the earlier run
  // is whole, and folders that were made are gone.
  void begin(const std::function<void(const std::filesystem::path&)>& write_first_files);

  const std::filesystem::path& path() const { return directory; }

 private:
  std::filesystem::path directory;
};

}  // namespace lookback
