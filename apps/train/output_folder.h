// Where a run puts its files: never over another run by accident, never half, never beside another
// that is still at work there.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

namespace lookback {

enum class ExistingRun { refused, replaced, resumed };

// What `directory` may hold of an earlier run: config.json, model.safetensors, their checksums,
// options.toml, metrics.jsonl, events.out.tfevents.*, checkpoint-N, and beside one of them a
// tokenizer's files. Other files in it are left alone.
bool holds_run(const std::filesystem::path& directory);

class OutputFolder {
 public:
  // Throws Error where `directory` is no folder, holds a run that may not be replaced, holds none
  // that could be resumed, cannot be written, or belongs to a run that is still going on. Changes
  // nothing.
  OutputFolder(std::filesystem::path directory, ExistingRun existing);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  // Calls write_first_files with a staging folder; what it wrote there then takes the earlier run's
  // place. When anything fails before that, it is as if it had never been called: the earlier run
  // is whole, and folders that were made are gone.
  void begin(const std::function<void(const std::filesystem::path&)>& write_first_files);

  // Removes what a run that was killed had half written.
  void remove_leftovers();

  const std::filesystem::path& path() const { return directory; }

 private:
  // For as long as this object lives: a killed process lets go of it, too.
  void lock();

  std::filesystem::path directory;
  int locked_folder = -1;
};

}  // namespace lookback
