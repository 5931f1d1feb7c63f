// What in a folder belongs to a run, by its name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lookback {

std::string checkpoint_name(std::int64_t step);
// The N of a path that ends in checkpoint-N, written as checkpoint_name() writes it; none for
// another name (checkpoint-of-mine, checkpoint-07).
std::optional<std::int64_t> step_of_checkpoint(const std::filesystem::path& path);

// The names of all that a run keeps in its folder: config.json, model.safetensors, their checksums,
// options.toml, metrics.jsonl, events.out.tfevents.*, the folders checkpoint-N, and beside one of
// them a tokenizer's files, and the folder inspect where it holds reports alone; in order. Empty:
// there is no run. Throws Error where the folder cannot be read.
std::vector<std::string> run_entries(const std::filesystem::path& folder);
// A tokenizer's files, that a run brings along.
std::vector<std::string> tokenizer_entries();

// Whether a run in `folder` writes, or replaces, a file of this path; both are absolute.
bool is_written_by_run(const std::filesystem::path& path, const std::filesystem::path& folder);
// For patterns of file names: a path of each kind that a run writes, in its folder.
std::vector<std::filesystem::path> example_paths_of_run();

}  // namespace lookback
