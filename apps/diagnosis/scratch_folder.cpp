#include "apps/diagnosis/scratch_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "runtime/check.h"

namespace lookback {

namespace fs = std::filesystem;

ScratchFolder::ScratchFolder() {
  std::error_code unknown;
  for (const auto& parent : {fs::path("/dev/shm"), fs::temp_directory_path(unknown)}) {
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
