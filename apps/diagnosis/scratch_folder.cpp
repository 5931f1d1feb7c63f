#include "apps/diagnosis/scratch_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <vector>

#include "apps/folder/folder_entries.h"
#include "runtime/check.h"

namespace lookback {

namespace fs = std::filesystem;

namespace {

// More than a check writes; the memory that a container gives to such folders may be less.
constexpr std::uintmax_t enough_bytes = std::uintmax_t{1} << 27;

constexpr std::string_view stem = "lookback-diagnosis-";

// The process that made it, if the name is one of ours: lookback-diagnosis-PROCESS-XXXXXX.
std::optional<pid_t> maker_of(std::string_view name) {
  if (!name.starts_with(stem)) return {};
  name.remove_prefix(stem.size());
  pid_t process = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), process);
  const bool is_number = problem == std::errc() && end != name.data() + name.size() && *end == '-';
  return is_number ? std::optional(process) : std::nullopt;
}

void remove_left_ones(const fs::path& parent) {
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(parent, unreadable)) {
    const auto maker = maker_of(entry.path().filename().string());
    if (!maker || !has_ended(*maker)) continue;
    const FileDescriptor folder(entry.path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (folder.is_open() && folder.lock() == 0) remove_tree(entry.path());
  }
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::error_code unknown;
  const fs::path memory = "/dev/shm";
  std::vector<fs::path> parents{fs::temp_directory_path(unknown)};
  const auto space = fs::space(memory, unknown);
  if (!unknown && space.available >= enough_bytes) parents.insert(parents.begin(), memory);
  for (const auto& parent : parents) {
    remove_left_ones(parent);
    auto pattern = (parent / fmt::format("{}{}-XXXXXX", stem, getpid())).string();
    const UnendedSteps made_and_known;
    if (mkdtemp(pattern.data()) == nullptr) continue;
    directory_ = pattern;
    unfinished_.emplace(directory_, Unfinished::Kind::folder);
    in_use_ = FileDescriptor(directory_, O_RDONLY | O_DIRECTORY);
    static_cast<void>(in_use_.lock());  // where there are no locks, the maker's number must do
    return;
  }
  fail("diagnosis", "no folder for temporary files can be made: {}", std::strerror(errno));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

fs::path ScratchFolder::fresh(const char* name) const {
  auto folder = directory_ / name;
  fs::create_directory(folder);
  return folder;
}

}  // namespace lookback
