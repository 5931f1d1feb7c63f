#include "apps/model/folder_checksums.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "apps/model/sealed_json.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"
#include "runtime/replacing_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view operation = "checksums";
constexpr auto state_name = "trainer_state.json";

Checksum parse_one(const Json& value, std::string_view source) {
  const Check check{operation};
  check(value.is_string(), "{}: {} must be a checksum", source, value.dump());
  try {
    return parse_checksum(value.get<std::string>());
  } catch (const Error& error) {
    fail(operation, "{}: {}", source, error.what());
  }
}

FileChecksum parse_file(const Json& value, std::string_view source) {
  if (!value.is_object()) return parse_one(value, source);
  const Check check{operation};
  check(value.size() == 2 && value.contains("header") && value.contains("tensors") &&
            value.at("tensors").is_object(),
        "{}: a safetensors file must have a header and tensors", source);
  SafetensorsChecksums result{.header = parse_one(value.at("header"), source)};
  for (const auto& [name, checksum] : value.at("tensors").items()) {
    result.tensors.emplace(name, parse_one(checksum, source));
  }
  return result;
}

FileChecksums files_of(const UnsealedJson& read, const std::string& path) {
  const Check check{operation};
  check(read.sealed && read.object.contains("files"), "{}: must have files and a checksum", path);
  return parse_file_checksums(read.object.at("files"), path);
}

}  // namespace

OrderedJson to_json(const FileChecksums& checksums) {
  auto object = OrderedJson::object();
  for (const auto& [file, checksum] : checksums) {
    if (const auto* whole = std::get_if<Checksum>(&checksum)) {
      object[file] = to_string(*whole);
      continue;
    }
    const auto& [header, sums] = std::get<SafetensorsChecksums>(checksum);
    // Appended: an ordered object looks through all its names when it is asked for one.
    auto tensors = OrderedJson::object();
    for (const auto& [name, sum] : sums) {
      tensors.get_ref<OrderedJson::object_t&>().emplace_back(name, to_string(sum));
    }
    object[file] = {{"header", to_string(header)}, {"tensors", std::move(tensors)}};
  }
  return object;
}

FileChecksums parse_file_checksums(const Json& object, std::string_view source) {
  const Check check{operation};
  check(object.is_object(), "{}: files must be an object", source);
  FileChecksums result;
  for (const auto& [file, checksum] : object.items()) {
    result.emplace(file, parse_file(checksum, source));
  }
  return result;
}

FileChecksums parse_checksums_file(std::string_view text, const std::string& path) {
  try {
    return files_of(unsealed(text, operation, path), path);
  } catch (const Error& error) {
    throw Error(fmt::format("{}; without it the folder is read unchecked", error.what()));
  }
}

FolderChecksums::FolderChecksums(const fs::path& directory) : folder_(directory) {
  source_ = exists(folder_ / checksums_name) ? checksums_name : state_name;
  const auto path = folder_ / source_;
  if (!exists(path)) return;
  const auto text = read_file(path, operation);
  if (source_ == checksums_name) {
    files_ = parse_checksums_file(text, path.string());
    return;
  }
  const auto read = unsealed(text, operation, path.string());
  // Other trainers, and this one before it had checksums, write a trainer_state.json too.
  if (read.sealed || read.object.contains("files")) files_ = files_of(read, path.string());
}

std::string FolderChecksums::advice() const {
  const auto path = (folder_ / source_).string();
  if (source_ == state_name) {
    return fmt::format("{} has it: it is damaged, or not this checkpoint's", path);
  }
  return fmt::format(
      "{} has it: it is damaged, or another program changed it; put it back, or, if the change is "
      "meant, remove {}",
      path, source_);
}

void FolderChecksums::check_file(const std::string& file) const {
  const auto found = files_.find(file);
  if (found == files_.end()) return;
  const auto path = folder_ / file;
  const Check check{operation};
  check(exists(path), "{}: is missing: {} has a checksum of it", path.string(),
        (folder_ / source_).string());
  const auto* whole = std::get_if<Checksum>(&found->second);
  check(whole != nullptr && checksum_of(read_file(path, operation)) == *whole, "{}: is not as {}",
        path.string(), advice());
}

void FolderChecksums::check_small_files() const {
  for (const auto& [file, checksum] : files_) {
    if (std::holds_alternative<Checksum>(checksum)) check_file(file);
  }
}

SafetensorsFile FolderChecksums::open_safetensors(const std::string& file) const {
  auto opened = SafetensorsFile::open(folder_ / file);
  const auto found = files_.find(file);
  if (found == files_.end()) return opened;
  const auto* tensors = std::get_if<SafetensorsChecksums>(&found->second);
  const Check check{operation};
  check(tensors != nullptr, "{}: is not as {}", opened.source(), advice());
  opened.expect(*tensors, advice());
  return opened;
}

void write_checksums(const fs::path& directory, const FileChecksums& checksums) {
  ReplacingFile file(directory / checksums_name);
  file.write(sealed_text({{"files", to_json(checksums)}}));
  file.commit();
}

void record_new_files(const fs::path& directory, const std::vector<std::string>& names) {
  auto files = FolderChecksums(directory).recorded();
  const auto before = files.size();
  for (const auto& name : names) {
    if (files.contains(name) || !exists(directory / name)) continue;
    files.emplace(name, checksum_of(read_file(directory / name, operation)));
  }
  if (files.size() > before) write_checksums(directory, files);
}

}  // namespace lookback
