#include "apps/train/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "apps/model/folder_checksums.h"
#include "apps/train/event_file.h"
#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> run_files = {
    "config.json", "model.safetensors", checksums_name, "options.toml", "metrics.jsonl"};
// Of a run where there is one; alone they may be anybody's.
constexpr std::array<std::string_view, 3> tokenizer_files = {"tokenizer.model", "tokenizer.json",
                                                             "tokenizer_config.json"};
constexpr std::string_view checkpoint_prefix = "checkpoint-", staging_prefix = ".starting-";

bool belongs_to_run(const fs::path& entry) {
  const auto name = entry.filename().string();
  if (std::ranges::find(run_files, name) != run_files.end()) return true;
  return is_event_file(entry) || (name.starts_with(checkpoint_prefix) && fs::is_directory(entry));
}

// What a run writes to before it puts it in its place.
bool is_leftover(const fs::path& entry) {
  const auto name = entry.filename().string();
  if (name.starts_with(staging_prefix)) return true;
  if (!name.ends_with(".partial")) return false;
  return name.starts_with("." + std::string(checkpoint_prefix)) ||
         std::ranges::any_of(run_files,
                             [&](auto file) { return name.starts_with(std::string(file) + "."); });
}

std::vector<fs::path> entries_of(const fs::path& directory, bool (*wanted)(const fs::path&)) {
  std::vector<fs::path> result;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (wanted(entry.path())) result.push_back(entry.path());
  }
  return result;
}

// The folders on the way to `directory` (itself last) that are not there yet, and the one that is.
struct Way {
  fs::path existing;
  std::vector<fs::path> missing;
};

Way way_to(const fs::path& directory) {
  Way way{.existing = fs::absolute(directory).lexically_normal(), .missing = {}};
  for (; !fs::exists(way.existing); way.existing = way.existing.parent_path()) {
    way.missing.insert(way.missing.begin(), way.existing);
  }
  return way;
}

// The folders that were made are removed again, unless kept.
class MadeFolders {
 public:
  ~MadeFolders() {
    std::error_code ignored;
    for (auto folder = made.rbegin(); folder != made.rend(); ++folder)
      fs::remove_all(*folder, ignored);
  }
  void make(const fs::path& folder) {
    fs::create_directory(folder);
    made.push_back(folder);
  }
  void keep() { made.clear(); }

 private:
  std::vector<fs::path> made;
};

[[noreturn]] void refuse(const fs::path& directory, int error) {
  fail("output", "{}: cannot be written: {}", directory.string(),
       std::generic_category().message(error));
}

}  // namespace

bool holds_run(const fs::path& directory) {
  return fs::is_directory(directory) && !entries_of(directory, belongs_to_run).empty();
}

OutputFolder::OutputFolder(fs::path output_directory, ExistingRun existing)
    : directory(std::move(output_directory)) {
  const Check check{"output"};
  try {
    check(!fs::exists(directory) || fs::is_directory(directory), "{}: is not a folder",
          directory.string());
    check(existing != ExistingRun::refused || !holds_run(directory),
          "{}: holds a run already; --resume goes on with it, --overwrite replaces it, another "
          "--output-dir keeps it",
          directory.string());
    check(existing != ExistingRun::resumed || holds_run(directory),
          "{}: holds no run that could be resumed; without --resume a new one starts there",
          directory.string());
    // Seen here, before an hour of work: that a file is in the way, and whose folder it is.
    const auto nearest = way_to(directory).existing / "";
    if (access(nearest.c_str(), W_OK | X_OK) != 0) refuse(directory, errno);
    if (fs::exists(directory)) lock();
  } catch (const fs::filesystem_error& error) {
    refuse(directory, error.code().value());
  }
}

OutputFolder::~OutputFolder() {
  if (locked_folder >= 0) close(locked_folder);
}

void OutputFolder::lock() {
  locked_folder = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (locked_folder < 0) refuse(directory, errno);
  // A file system that knows no locks is as good as one where nobody else is.
  if (flock(locked_folder, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  close(std::exchange(locked_folder, -1));
  fail("output", "{}: another lookback is training into this folder: wait for its end, or stop it",
       directory.string());
}

void OutputFolder::remove_leftovers() {
  try {
    for (const auto& entry : entries_of(directory, is_leftover)) fs::remove_all(entry);
  } catch (const fs::filesystem_error& error) {
    refuse(directory, error.code().value());
  }
}

void OutputFolder::begin(const std::function<void(const fs::path&)>& write_first_files) {
  try {
    MadeFolders folders, staging_folder;
    for (const auto& folder : way_to(directory).missing) folders.make(folder);
    if (locked_folder < 0) lock();
    const auto staging = directory / fmt::format("{}{}", staging_prefix, getpid());
    staging_folder.make(staging);
    write_first_files(staging);
    // From here on the earlier run gives way. Renaming needs no room on the disk.
    folders.keep();
    if (holds_run(directory)) {
      for (const auto name : tokenizer_files) fs::remove(directory / name);
    }
    for (const auto& entry : entries_of(directory, belongs_to_run)) fs::remove_all(entry);
    std::vector<fs::path> first_files;
    for (const auto& entry : fs::directory_iterator(staging)) first_files.push_back(entry.path());
    for (const auto& file : first_files) fs::rename(file, directory / file.filename());
    remove_leftovers();
  } catch (const fs::filesystem_error& error) {
    refuse(directory, error.code().value());
  }
}

}  // namespace lookback
