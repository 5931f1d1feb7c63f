// A file that grows by whole pieces, each there as soon as it is written.
#pragma once

#include <filesystem>
#include <string_view>

namespace lookback {

class AppendFile {
 public:
  // Goes on behind the end of a file that is there. Throws Error when it cannot be written.
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // When the disk is full the file keeps its whole pieces, and Error is thrown.
  void append(std::string_view piece);

 private:
  std::filesystem::path path;
  int descriptor;
};

}  // namespace lookback
