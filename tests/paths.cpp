#include "tests/paths.h"

#include <stdlib.h>

#include <system_error>

namespace lookback::tests {

namespace fs = std::filesystem;

fs::path source_directory() { return LOOKBACK_SOURCE_DIR; }

fs::path program() { return fs::read_symlink("/proc/self/exe").parent_path() / "lookback"; }

TemporaryDirectory::TemporaryDirectory() {
  auto pattern = (fs::temp_directory_path() / "lookback test XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    throw std::system_error(errno, std::generic_category(), pattern);
  }
  directory = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(directory, ignored);
}

}  // namespace lookback::tests
