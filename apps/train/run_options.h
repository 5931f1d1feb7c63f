// What a folder remembers of the run that made it: options.toml.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/train/run_settings.h"
#include "apps/train/train_options.h"

namespace lookback {

struct RunOptions {
  TrainOptions options;
  std::uint64_t seed = 0;
  std::string device = {};  // "cpu", "cuda:0"
  OptionsFile file = {};
  std::vector<std::string> warnings = {};
};

// The text of an options.toml: what is given, and a comment with its checksum behind it.
std::string sealed_options(const std::string& text);

// Of a run's folder, or of a checkpoint in one; none for a folder that no run made. Throws Error
// for an options.toml that does not fit, or that is not the one which the checkpoint (of a run: its
// newest) was trained with, and in the middle of a replacement (replacement.h). Where it was
// changed in anything else, `warnings` says so.
std::optional<RunOptions> read_run_options(const std::filesystem::path& directory);
// The same, for who only reads the folder: prints the warnings.
std::optional<RunOptions> run_options_for_reading(const std::filesystem::path& directory);

// The tokenizer's file of a model folder: the copy in it (tokenizer_file.h), or else the one that
// its run began with. Empty: the model has none; its run, if it is one, names its tokenizer.
std::string tokenizer_file_of(const std::filesystem::path& directory,
                              const std::optional<RunOptions>& run);

// What stands in front of a prompt where nobody says it: of a run what stood in front of the
// documents it was trained on.
AddBos add_bos_of(AddBos asked, const std::optional<RunOptions>& run);

// The folder, where it has no tokenizer and is of no run, which would name its tokenizer; else
// empty.
std::string folder_without_tokenizer(const std::filesystem::path& directory,
                                     const std::optional<RunOptions>& run);

// What text is read and written with for a model folder: that file, the run's tokenizer, or bytes.
std::string tokenizer_of(const std::filesystem::path& directory,
                         const std::optional<RunOptions>& run);

}  // namespace lookback
