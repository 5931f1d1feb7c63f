// Where tests find the program and the files of the project.
#pragma once

#include <filesystem>
#include <vector>

namespace lookback::tests {

// The root of the source tree: where it lay when the tests were built, or, for tests that were
// carried elsewhere, LOOKBACK_SOURCE_DIR of the environment.
std::filesystem::path source_directory();
// tests/golden/*.safetensors below it, in order; none where there is no such folder: tests that are
// made of them are then missing, which ReferenceFiles.AreThereForTheTestsOnGpu says.
std::vector<std::filesystem::path> reference_files();
// The `lookback` program: it lies beside the test program.
std::filesystem::path program();

// A folder in memory, where syncing costs nothing; where there is none the temporary folder.
std::filesystem::path folder_in_memory();

// A folder of its own, under the system's temporary folder if nothing is said, removed with all it
// holds at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  explicit TemporaryDirectory(const std::filesystem::path& parent);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

}  // namespace lookback::tests
