// metrics.jsonl: one JSON object per line, each there whole as soon as it is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "apps/train/evaluate.h"

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

// What a run had written down when it had done so many steps.
struct LoggedRun {
  std::string lines;                          // each with its line break
  double loss = 0;                            // of the last line about training
  std::optional<Evaluation> evaluation = {};  // of the last one about validation
};

// The lines of `path` up to step `step`; lines about training only up to `logged_step`: what came
// after it has yet to be told. Half a line, of a machine that went down, is left out. A file that
// is not there has no lines.
LoggedRun read_metrics(const std::filesystem::path& path, std::int64_t step,
                       std::int64_t logged_step);

}  // namespace lookback
