// Where tests find the program and the files of the project.
#pragma once

#include <filesystem>

namespace lookback::tests {

// The root of the source tree.
std::filesystem::path source_directory();
// The `lookback` program: it lies beside the test program.
std::filesystem::path program();

// A folder of its own under the system's temporary folder, removed with all it holds at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return directory; }

 private:
  std::filesystem::path directory;
};

}  // namespace lookback::tests
