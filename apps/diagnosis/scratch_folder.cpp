#include "apps/diagnosis/scratch_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <vector>

#include "runtime/check.h"

namespace lookback {

namespace fs = std::filesystem;

namespace {

// More than a check writes; the memory that a container gives to such folders may be less.
constexpr std::uintmax_t enough_bytes = std::uintmax_t{1} << 27;

}  // namespace

ScratchFolder::ScratchFolder() {
  std::error_code unknown;
  const fs::path memory = "/dev/shm";
  std::vector<fs::path> parents{fs::temp_directory_path(unknown)};
  const auto space = fs::space(memory, unknown);
  if (!unknown && space.available >= enough_bytes) parents.insert(parents.begin(), memory);
  for (const auto& parent : parents) {
    auto pattern = (parent / "lookback-diagnosis-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) continue;
    directory_ = pattern;
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
