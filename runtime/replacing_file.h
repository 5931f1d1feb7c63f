// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "runtime/system_files.h"

namespace lookback {

// While it lives, the temporary files of ReplacingFile lie in `folder` and not beside what they
// replace, where both are on one file system: the owner of the folder knows them again. One at a
// time, for all threads; made and destroyed while no thread writes.
class TemporaryFilesIn {
 public:
  explicit TemporaryFilesIn(std::filesystem::path folder);
  ~TemporaryFilesIn();
  TemporaryFilesIn(const TemporaryFilesIn&) = delete;
  TemporaryFilesIn& operator=(const TemporaryFilesIn&) = delete;
};

// Writes to a temporary file beside `destination`; commit() makes it durable (fsync), puts it in
// the destination's place in one step (rename), and makes that durable, too. A full disk, a crash
// or an exception before that leaves the destination as it was; the destructor removes the
// temporary file. Throws Error naming the destination and the system's reason, also where the
// destination exists and is not a regular file.
class ReplacingFile {
 public:
  explicit ReplacingFile(std::filesystem::path destination);
  ~ReplacingFile();
  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  // Once, after the last write.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  FileDescriptor file_;
};

}  // namespace lookback
