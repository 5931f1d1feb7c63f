#include "tests/paths.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace lookback::tests {

namespace fs = std::filesystem;

fs::path source_directory() {
  const char* moved = std::getenv("LOOKBACK_SOURCE_DIR");
  return moved == nullptr || *moved == '\0' ? LOOKBACK_SOURCE_DIR : moved;
}

std::vector<fs::path> reference_files() {
  std::vector<fs::path> found;
  std::error_code missing;
  for (fs::directory_iterator entry(source_directory() / "tests" / "golden", missing), end;
       !missing && entry != end; entry.increment(missing)) {
    if (entry->path().extension() == ".safetensors") found.push_back(entry->path());
  }
  std::ranges::sort(found);
  return found;
}

fs::path program() { return fs::read_symlink("/proc/self/exe").parent_path() / "lookback"; }

fs::path folder_in_memory() {
  const fs::path memory = "/dev/shm";
  return access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
}

TemporaryDirectory::TemporaryDirectory() : TemporaryDirectory(fs::temp_directory_path()) {}

TemporaryDirectory::TemporaryDirectory(const fs::path& parent) {
  auto pattern = (parent / "lookback test XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), pattern);
  }
  directory_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

}  // namespace lookback::tests
