// A file that grows by whole pieces, each there as soon as it is written.
#pragma once

#include <filesystem>
#include <string_view>

#include "runtime/system_files.h"

namespace lookback {

class AppendFile {
 public:
  // Goes on behind the end of a file that is there. Throws Error when it cannot be written.
  explicit AppendFile(std::filesystem::path path);

  // When the disk is full the file keeps its whole pieces, and Error is thrown.
  void append(std::string_view piece);
  // Returns when they are on the disk, whatever becomes of the machine. Throws Error.
  void sync();

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
};

}  // namespace lookback
