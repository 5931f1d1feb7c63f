#include "apps/folder/folder_entries.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "runtime/check.h"
#include "runtime/system_files.h"

namespace lookback {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, std::string_view what, int error) {
  fail("output", "{}: cannot be {}: {}", path.string(), what,
       std::generic_category().message(error));
}

}  // namespace

namespace fs = std::filesystem;

std::vector<std::string> names_in(const fs::path& folder, std::string_view operation) {
  std::error_code problem;
  std::vector<std::string> names;
  do {  // a signal may come while it is opened or read: then anew
    names.clear();
    fs::directory_iterator entry(folder, problem);
    for (; !problem && entry != fs::directory_iterator(); entry.increment(problem)) {
      names.push_back(entry->path().filename().string());
    }
  } while (problem == std::errc::interrupted);
  if (problem) fail(operation, "{}: cannot be read: {}", folder.string(), problem.message());
  std::ranges::sort(names);
  return names;
}

int look_at(const fs::path& path, struct stat& status) {
  return stat(path.c_str(), &status) == 0 ? 0 : errno;
}

void refuse_to_write(const fs::path& folder, int error) { refuse(folder, "written", error); }

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

bool is_own_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(fs::symlink_status(path, ignored));
}

void make_folder_at(const fs::path& path) {
  if (const int error = make_directory(path)) refuse(path, "made", error);
}

void remove_empty_folder(const fs::path& path) {
  if (const int error = remove_path(path)) refuse(path, "removed", error);
}

void rename_to(const fs::path& from, const fs::path& to) {
  if (const int error = rename_path(from, to)) refuse(to, "put in place", error);
}

fs::path free_path(const fs::path& folder, std::string_view stem) {
  for (int number = 0;; ++number) {
    auto path = folder / fmt::format("{}-{}", stem, number);
    if (!is_there(path)) return path;
  }
}

std::string remove_tree(const fs::path& path) {
  std::string first_problem;
  const auto note = [&](std::string problem) {
    if (first_problem.empty()) first_problem = std::move(problem);
  };
  if (is_own_folder(path)) {
    try {
      for (const auto& name : names_in(path)) note(remove_tree(path / name));
    } catch (const Error& error) {
      note(error.what());
    }
  }
  if (const int error = remove_path(path); error != 0 && error != ENOENT) {
    note(fmt::format("{}: cannot be removed: {}", path.string(),
                     std::generic_category().message(error)));
  }
  return first_problem;
}

}  // namespace lookback
