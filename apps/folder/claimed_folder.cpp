#include "apps/folder/claimed_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "apps/folder/folder_entries.h"
#include "runtime/check.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

// Where the file system has no locks, the folder counts as free.
bool knows_no_locks(int error) {
  return error == ENOLCK || error == ENOSYS || error == EOPNOTSUPP || error == EINVAL;
}

}  // namespace

ClaimedFolder::ClaimedFolder(fs::path folder) : directory_(std::move(folder)) {
  // A process that fails removes the folder that it made, perhaps between two steps of another:
  // then the other begins again. Each such turn is the end of a process.
  constexpr int max_turns = 10'000;
  for (int turn = 0; turn < max_turns; ++turn) {
    if (!claim()) continue;
    if (access(directory_.c_str(), W_OK | X_OK) != 0) refuse_to_write(directory_, errno);
    return;
  }
  fail("output",
       "{}: cannot be made: each time it, or a folder above it, is not there the moment after; "
       "does this file system take folders?",
       directory_.string());
}

bool ClaimedFolder::claim() {
  if (!made_.make(directory_)) return false;
  descriptor_ = FileDescriptor(directory_, O_RDONLY | O_DIRECTORY);
  if (descriptor_.open_error() == ENOENT) return false;
  if (!descriptor_.is_open()) refuse_to_write(directory_, descriptor_.open_error());
  const int error = descriptor_.lock();
  if (error == EWOULDBLOCK) {
    made_.keep();  // they are the other's now
    fail("output",
         "{}: another lookback is training into this folder: wait for its end, or stop it",
         directory_.string());
  }
  if (error != 0 && !knows_no_locks(error)) {
    fail("output", "{}: cannot be locked: {}", directory_.string(),
         std::generic_category().message(error));
  }
  return in_place();
}

bool ClaimedFolder::in_place() const {
  struct stat here {
  }, there{};
  return look_at(directory_, here) == 0 && fstat(descriptor_.get(), &there) == 0 &&
         here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

bool is_claimed(const fs::path& folder) {
  const FileDescriptor descriptor(folder, O_RDONLY | O_DIRECTORY);
  return descriptor.is_open() && descriptor.lock() == EWOULDBLOCK;
}

void ClaimedFolder::check_in_place() const {
  if (in_place()) return;
  fail("output", "{}: is no longer the folder that this run writes to: it was moved or removed",
       directory_.string());
}

}  // namespace lookback
