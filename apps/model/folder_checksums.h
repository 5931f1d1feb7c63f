// What the files of a model folder held when they were written.
//
// A folder that we write has lookback-checksums.json beside config.json and model.safetensors: a
// name that says whose it is, and that no other program looks for, so that transformers opens the
// folder as ever. A checkpoint has the same in its trainer_state.json. A folder that other programs
// wrote has neither, and is read as it is.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/checksum.h"
#include "runtime/safetensors.h"

namespace lookback {

inline constexpr auto checksums_name = "lookback-checksums.json";

// By the file's name in the folder. Safetensors files have one for each tensor.
using FileChecksum = std::variant<Checksum, SafetensorsChecksums>;
using FileChecksums = std::map<std::string, FileChecksum>;

nlohmann::ordered_json to_json(const FileChecksums& checksums);
// Throws Error, naming `source`, for JSON of another form.
FileChecksums parse_file_checksums(const nlohmann::json& object, std::string_view source);

// The text of a lookback-checksums.json. Throws Error where it is damaged.
FileChecksums parse_checksums_file(std::string_view text, const std::string& path);

class FolderChecksums {
 public:
  // Of a model folder or a checkpoint; without any where it holds none. Throws Error where the file
  // that holds them is damaged.
  explicit FolderChecksums(const std::filesystem::path& directory);

  // Whether the folder says what the file held.
  bool has(const std::string& file) const { return files_.contains(file); }
  // Throw Error, naming the file and what to do, where it is not what was written; files of which
  // nothing is recorded pass. All of them: but for safetensors files, which are checked as their
  // tensors are loaded.
  void check_file(const std::string& file) const;
  void check_small_files() const;
  SafetensorsFile open_safetensors(const std::string& file) const;

  const FileChecksums& recorded() const { return files_; }
  friend bool operator==(const FolderChecksums&, const FolderChecksums&) = default;

 private:
  std::string advice() const;

  std::filesystem::path folder_;
  std::string source_;  // the file's name that they are in
  FileChecksums files_;
};

// Writes the folder's lookback-checksums.json.
void write_checksums(const std::filesystem::path& directory, const FileChecksums& checksums);

// Adds those of these files that are there and have no checksum yet.
void record_new_files(const std::filesystem::path& directory,
                      const std::vector<std::string>& names);

}  // namespace lookback
