// metrics.jsonl: one JSON object per line, each there whole as soon as it is written.
#pragma once

#include <filesystem>
#include <string_view>

namespace lookback {

class MetricsFile {
 public:
  // Goes on behind the last line of a file that is there. Throws Error when it cannot be written.
  explicit MetricsFile(std::filesystem::path path);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  // Appends `object` and a line break; when the disk is full the file keeps its whole lines, and
  // Error is thrown.
  void append(std::string_view object);

 private:
  std::filesystem::path path;
  int descriptor;
};

}  // namespace lookback
