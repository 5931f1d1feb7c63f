// What a run's folder says about the run, for who compares it with others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/train/metrics_lines.h"

namespace lookback {

// ended: it was evaluated after its last step. running: another process is at work in its folder.
// stopped: neither. unknown: nothing says how many steps it was to take.
enum class RunState { ended, stopped, running, unknown };
std::string_view name_of(RunState state);

// A number of one line of metrics.jsonl, with what had been fed in and how long it had taken by
// then; NaN where the lines about training do not say.
struct RunPoint {
  std::int64_t step = 0;
  double tokens = 0, seconds = 0;
  double value = 0;
};
using RunCurve = std::vector<RunPoint>;

struct RunRecord {
  std::filesystem::path folder;
  std::string name;  // among the runs that it is compared with
  RunState state = RunState::unknown;

  std::vector<MetricsLine> lines;  // of metrics.jsonl
  // By key, as options.toml and config.json have them; the config's objects with dots,
  // "rope_scaling.factor".
  using Settings = std::vector<std::pair<std::string, std::string>>;
  Settings options, config;

  RunCurve loss, validation_loss;
  // Learned weights and scales, by parameter's name: one curve for each of its numbers.
  std::map<std::string, std::vector<RunCurve>> learned;

  std::int64_t step = 0;  // of the last line
  std::optional<std::int64_t> max_steps = {};
  std::optional<std::int64_t> parameters = {};         // of model.safetensors
  std::optional<double> floor = {}, floor_error = {};  // of the last evaluation
  std::optional<double> validation_accuracy = {};      // likewise
  std::optional<double> tokens = {}, seconds = {};     // fed in and spent on training
  std::optional<std::int64_t> peak_bytes = {};         // the largest that a line tells of

  std::optional<double> last_loss() const { return last(loss); }
  std::optional<double> last_validation_loss() const { return last(validation_loss); }
  // The evaluation with the lowest loss; null: there was none.
  const RunPoint* best_evaluation() const;
  std::optional<double> tokens_per_second() const;  // of the whole run
  // As options.toml and config.json say; empty: they do not.
  std::string option(std::string_view key) const;
  std::string config_value(std::string_view key) const;

 private:
  static std::optional<double> last(const RunCurve& curve) {
    return curve.empty() ? std::nullopt : std::optional(curve.back().value);
  }
};

// Reads a folder that is_run_folder(). A file of the run that is not there leaves what it would say
// open; one that cannot be read is a warning. Lines of metrics.jsonl without a loss count only for
// how far the run is. Throws Error in the middle of a replacement (apps/folder/replacement.h).
RunRecord read_run_record(const std::filesystem::path& folder);

}  // namespace lookback
