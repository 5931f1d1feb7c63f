// What a run writes down as it goes: metrics.jsonl, one JSON object per line, and the same numbers
// for TensorBoard (event_file.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "apps/train/append_file.h"
#include "apps/train/evaluate.h"
#include "apps/train/event_file.h"
#include "apps/train/logged_lines.h"

namespace lookback {

// What a run had written down when it had done so many steps.
struct LoggedRun {
  std::string lines{};  // of metrics.jsonl, each with its line break
  LoggedLines known_by = {};
  std::int64_t step = 0;                      // up to which training has been told about
  double loss = 0;                            // of the last line about training
  std::optional<Evaluation> evaluation = {};  // of the last one about validation
};

// The lines of the run in `folder` up to step `step`; lines about training only up to
// `logged_step`: what came after it has yet to be told. Half a line, of a machine that went down,
// is left out. Where there is no metrics.jsonl there are no lines.
LoggedRun read_log(const std::filesystem::path& folder, std::int64_t step,
                   std::int64_t logged_step);

// Begins FOLDER/metrics.jsonl with the lines of `earlier`, of a run that begins with none; it
// appears whole or not at all.
void write_metrics(const std::filesystem::path& folder, const LoggedRun& earlier);

class RunLog {
 public:
  // Goes on behind `earlier`, which the folder's metrics.jsonl holds; a new events file begins
  // after earlier.step. Throws Error when they cannot be written.
  RunLog(const std::filesystem::path& folder, const LoggedRun& earlier);

  // Adds a line, an object with a "step": as it is to metrics.jsonl, and its numbers that change
  // from line to line as scalars: train/loss, validation/loss, learned/NAME/0 and so on. Each file
  // is written at once and keeps its whole lines on a full disk, which throws Error.
  // One of an interrupted run is written anew by who goes on.
  enum class Line { standing, of_interrupt };
  void append(const nlohmann::ordered_json& line, Line kind = Line::standing);
  // Returns when all lines are on the disk, whatever becomes of the machine. Throws Error.
  void sync();

  // The standing lines.
  LoggedLines lines() const { return recorder_.so_far(); }

 private:
  LineRecorder recorder_;
  AppendFile metrics_;
  EventFile events_;
};

}  // namespace lookback
