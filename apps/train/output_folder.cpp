#include "apps/train/output_folder.h"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "apps/cli/console.h"
#include "apps/folder/folder_entries.h"
#include "apps/folder/replacement.h"
#include "apps/train/run_entries.h"
#include "runtime/check.h"
#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// A folder that is not there cannot be gone on in, and is not made for that.
fs::path checked(fs::path directory, ExistingRun existing) {
  std::error_code ignored;
  if (existing == ExistingRun::resumed &&
      fs::status(directory, ignored).type() == fs::file_type::not_found) {
    fail("output", "{}: there is no such folder; without --resume a new run starts there",
         directory.string());
  }
  return directory;
}

[[noreturn]] void refuse_run(const fs::path& directory) {
  fail("output",
       "{}: holds a run already; --resume goes on with it, --overwrite replaces it, another "
       "--output-dir keeps it",
       directory.string());
}

bool same_content(const fs::path& a, const fs::path& b) {
  std::error_code ignored;
  return fs::is_regular_file(fs::symlink_status(b, ignored)) &&
         read_file(a, "output") == read_file(b, "output");
}

// What bears the name of one of the new files but belongs to no run (a tokenizer.json, a folder) is
// the user's own.
void check_free(const fs::path& directory, const fs::path& staged,
                const std::vector<std::string>& replaced) {
  for (const auto& name : names_in(staged)) {
    if (!is_there(directory / name) || std::ranges::find(replaced, name) != replaced.end())
      continue;
    if (same_content(staged / name, directory / name)) continue;
    fail("output",
         "{}: is of no run, and the new run would replace it: move it away, or choose another "
         "--output-dir",
         (directory / name).string());
  }
}

}  // namespace

bool holds_run(const fs::path& directory) {
  std::error_code ignored;
  return fs::is_directory(directory, ignored) && !run_entries(directory).empty();
}

OutputFolder::OutputFolder(fs::path directory, ExistingRun existing)
    : existing_(existing), claimed_(checked(std::move(directory), existing)) {
  restore_replaced(path());
  const bool holds = holds_run(path());
  if (existing_ == ExistingRun::refused && holds) refuse_run(path());
  if (existing_ == ExistingRun::resumed && !holds) {
    fail("output",
         "{}: holds no run that could be resumed; without --resume a new one starts there",
         path().string());
  }
}

OutputFolder::~OutputFolder() {
  if (!claimed_.in_place()) return;
  const auto problem = remove_left_work(path());
  // Behind an error it would have the same cause, and the next run there tidies up.
  if (!problem.empty() && std::uncaught_exceptions() == 0) print_warning(problem);
}

const WorkFolder& OutputFolder::work() {
  claimed_.check_in_place();
  if (!working_) working_.emplace(path());
  return *working_;
}

void OutputFolder::begin(const std::function<void(const fs::path&)>& write_first_files) {
  const auto staged = work().fresh("new");
  write_first_files(staged);
  const auto replaced = run_entries(path());
  // Another program's, of which the lock knows nothing.
  if (existing_ == ExistingRun::refused && !replaced.empty()) refuse_run(path());
  check_free(path(), staged, replaced);
  replace_entries(work(), staged, replaced);
  claimed_.keep();
}

}  // namespace lookback
