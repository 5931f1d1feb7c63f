// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace lookback {

// Writes to a temporary file beside `destination`; commit() makes it durable (fsync) and puts it in
// the destination's place in one step (rename). A full disk, a crash or an exception before that
// leaves the destination as it was; the destructor removes the temporary file.
// Throws Error naming the destination and the system's reason, also where the destination exists
// and is not a regular file.
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
  std::filesystem::path target;
  std::filesystem::path temporary;
  int descriptor = -1;
};

}  // namespace lookback
