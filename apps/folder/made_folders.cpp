#include "apps/folder/made_folders.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "apps/folder/folder_entries.h"
#include "runtime/check.h"
#include "runtime/system_files.h"

namespace lookback {

namespace fs = std::filesystem;

MadeFolders::Made::Made(fs::path folder)
    : path(std::move(folder)), unfinished(path, Unfinished::Kind::bare_folder) {}

MadeFolders::~MadeFolders() {
  // Only empty ones go: what others have put into them since keeps them.
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    static_cast<void>(::rmdir(folder->path.c_str()));
  }
}

bool MadeFolders::make(const fs::path& folder) {
  std::error_code problem;
  auto whole = fs::absolute(folder, problem);
  if (problem) refuse_to_write(folder, problem.value());
  if (!whole.has_filename()) whole = whole.parent_path();  // written with a / at its end
  std::vector<fs::path> missing;
  for (auto path = whole;; path = path.parent_path()) {
    struct stat status {};
    const int error = look_at(path, status);
    if (error == 0 && S_ISDIR(status.st_mode)) break;
    if (error == 0 && path == whole) fail("output", "{}: is not a folder", folder.string());
    if (error == 0) refuse_to_write(folder, ENOTDIR);
    if (error != ENOENT) refuse_to_write(folder, error);
    if (fs::is_symlink(fs::symlink_status(path))) {
      fail("output", "{}: cannot be written: {} is a link that leads nowhere", folder.string(),
           path.string());
    }
    missing.push_back(path);
  }
  for (auto path = missing.rbegin(); path != missing.rend(); ++path) {
    const UnendedSteps made_and_known;
    const int error = make_directory(*path);
    if (error == 0) folders_.emplace_back(*path);
    if (error == ENOENT) return false;
    if (error != 0 && error != EEXIST) refuse_to_write(folder, error);
  }
  return true;
}

}  // namespace lookback
