// How far the encoding of files has come, in bytes as they lie on the disk, compressed ones too.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

#include "apps/cli/progress.h"

namespace lookback {

// Of a file: the bytes from `begin` to `end`.
struct FileBytes {
  std::int64_t begin = 0, end = 0;
};

// A bar that moves with every part that is encoded; where there is no terminal a line for each
// tenth and each minute, but for texts that are done in moments. Members may be called by any
// thread.
class EncodingProgress {
 public:
  static constexpr std::chrono::milliseconds moments{1000};
  EncodingProgress(const Console& console, std::span<const std::string> files,
                   std::chrono::milliseconds without_lines = moments);

  void begin_file(const std::string& path);
  // All of the file before these bytes had been encoded by an earlier process.
  void had_encoded(FileBytes part);
  // So much of the file is read to be decompressed, and not encoded yet.
  void has_read(std::int64_t bytes);
  // Of the text in these bytes of the file so much, from 0 to 1.
  void has_encoded(FileBytes part, double share);
  // With a line that stays where there are several files.
  void end_file(std::int64_t tokens);

 private:
  double seconds() const;
  void show(std::int64_t read);
  void say_in_the_middle(const std::string& text);

  Progress progress_;
  std::int64_t all_ = 0, before_ = 0;  // bytes: of all files, and of those that are done
  std::int64_t had_ = 0;               // of these by an earlier process
  std::int64_t position_ = 0, file_bytes_ = 0;
  std::string path_;
  bool has_several_;
  std::chrono::milliseconds without_lines_;
  std::chrono::steady_clock::time_point start_, last_line_;
  std::int64_t tenths_ = 0;  // that a line has told
  std::mutex telling_;
};

}  // namespace lookback
