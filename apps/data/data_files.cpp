#include "apps/data/data_files.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "apps/data/data_mixture.h"
#include "apps/data/split_names.h"
#include "apps/folder/folder_entries.h"
#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

// Nothing that cannot be looked at is one: a link to itself, what is closed to this user.
bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// What `tokenize` writes of a .bin beside it (token_description.h).
bool is_description(std::string_view path) {
  constexpr auto ending = ".json"sv;
  if (!path.ends_with(".bin.json")) return false;
  return is_file(path.substr(0, path.size() - ending.size()));
}

std::vector<std::string> files_in_folder(const std::string& folder) {
  const Check check{"data"};
  std::vector<std::string> files;
  for (const auto& name : names_in(folder, "data")) {
    const auto path = fs::path(folder) / name;
    if (!name.starts_with('.') && is_file(path) && !is_description(path.string()))
      files.push_back(path.string());
  }
  check(!files.empty(),
        "{}: there is no file in this folder (those of sub-folders are left out: a glob, {}, names "
        "them)",
        folder, folder + "/*/*");
  return files;
}

std::vector<std::string> files_of_glob(const std::string& pattern) {
  const Check check{"data"};
  glob_t found{};
  std::vector<std::string> files;
  if (glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      if (const std::string path = found.gl_pathv[i]; is_file(path) && !is_description(path))
        files.push_back(path);
    }
  }
  globfree(&found);
  check(!files.empty(), "{}: no file matches", pattern);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

DataFiles data_files(const std::string& spec) {
  std::error_code error;
  const auto status = fs::status(spec, error);
  if (fs::is_directory(status)) return split_by_name(spec, files_in_folder(spec));
  if (!fs::exists(status) && spec.find_first_of("*?[") != std::string::npos) {
    return split_by_name(spec, files_of_glob(spec));
  }
  return {.training = {spec}};
}

std::vector<std::string> files_of(const std::string& spec) {
  std::vector<std::string> all;
  for (const auto& part : parts_of_mixture(spec)) {
    const auto of_part = files_of(part.spec);
    all.insert(all.end(), of_part.begin(), of_part.end());
  }
  if (!all.empty()) return all;
  auto [files, validation, note] = data_files(spec);
  files.insert(files.end(), validation.begin(), validation.end());
  return files;
}

}  // namespace lookback
