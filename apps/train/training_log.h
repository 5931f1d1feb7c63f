// What a run tells of its steps as it goes: lines of metrics.jsonl and TensorBoard's events
// (run_log.h), and lines or a bar on stderr.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "apps/cli/progress.h"
#include "apps/train/accumulate_gradients.h"
#include "apps/train/run_log.h"
#include "apps/train/trainer_state.h"

namespace lookback {

class TrainingLog {
 public:
  // The run's state outlives this object, which keeps its seconds, and its steps that no line
  // tells about yet, up to date.
  TrainingLog(const Console& console, TrainerState& state, std::int64_t steps_of_run);

  // Goes on behind the lines that a resumed run has written.
  void resume(LoggedRun earlier) { logged_ = std::move(earlier); }
  // What is written down: of a resumed run also before it was opened; `lines` are the earlier ones.
  const LoggedRun& written() const { return logged_; }
  // Opens the files in the run's folder, whose metrics.jsonl holds the earlier lines. Lines written
  // without that are gone: of a rank that has no folder.
  void open(const std::filesystem::path& folder) { files_.emplace(folder, logged_); }
  bool is_open() const { return files_.has_value(); }

  void add_seconds(double seconds);
  // The numbers of a step: the next line tells about it.
  void add_step(const StepMeasures& measures);
  // A step whose update was left out: it took its time, and its loss counts nowhere.
  void add_left_out_step(const StepMeasures& measures);
  void show_progress();
  // Once, when some steps of this process are measured: how long the others will take. To be called
  // when no step is pending.
  void note_time_left();

  // A line about the steps since the last standing one; none where all of them were left out.
  void write_steps(double learning_rate, RunLog::Line kind);
  // A line about an evaluation, with the values of learned weights and scales and the most memory
  // so far; `best_step`: of the model of that step, which is not the last one.
  void write_evaluation(const Evaluation& evaluation, const nlohmann::ordered_json& learned,
                        std::optional<std::int64_t> best_step = {});
  // A line about a spike in step `step`, from 1.
  void write_spike(std::int64_t step, const nlohmann::ordered_json& spike, RunLog::Line kind);
  // A line on stderr alone.
  void say(std::string_view line) { progress_.line(line); }

  // The standing lines so far.
  LoggedLines lines() const { return files_->lines(); }
  // Returns when all lines are on the disk.
  void sync() { files_->sync(); }

  double tokens_per_second() const;  // of the whole run

 private:
  void append(const nlohmann::ordered_json& line, RunLog::Line kind = RunLog::Line::standing);

  TrainerState& state_;
  const std::int64_t total_steps_;
  Progress progress_;
  LoggedRun logged_;  // its loss and evaluation are the last ones
  std::optional<RunLog> files_;
  StepMeasures last_step_;
  // From where the time left is measured: behind the first step, which allocates.
  struct Measured {
    std::int64_t step = 0, tokens = 0;
    double seconds = 0;
  };
  std::optional<Measured> measured_from_;
  bool time_left_is_said_ = false;
};

}  // namespace lookback
