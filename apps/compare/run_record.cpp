#include "apps/compare/run_record.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/cli/console.h"
#include "apps/cli/toml.h"
#include "apps/folder/claimed_folder.h"
#include "apps/folder/replacement.h"
#include "apps/folder/work_folder.h"
#include "apps/train/run_settings.h"
#include "runtime/check.h"
#include "runtime/json.h"
#include "runtime/read_file.h"
#include "runtime/safetensors.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

std::optional<double> number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

// What a run fed in, or took, by a step: between two lines about training in proportion to steps.
class Amounts {
 public:
  void add(std::int64_t step, double amount) {
    if (step > steps_.back()) {
      steps_.push_back(step);
      amounts_.push_back(amount);
    }
  }
  double at(std::int64_t step) const {
    if (steps_.size() == 1) return step == 0 ? 0 : unknown;
    const auto behind = std::ranges::lower_bound(steps_, step) - steps_.begin();
    // Beyond the last line as before it.
    const auto i =
        static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(behind, 1, std::ssize(steps_) - 1));
    const auto width = static_cast<double>(steps_[i] - steps_[i - 1]);
    const auto share = static_cast<double>(step - steps_[i - 1]) / width;
    return amounts_[i - 1] + share * (amounts_[i] - amounts_[i - 1]);
  }

 private:
  std::vector<std::int64_t> steps_ = {0};
  std::vector<double> amounts_ = {0};
};

// A step that was told about twice counts as the later line says.
void add_point(RunCurve& curve, const RunPoint& point) {
  const auto at = std::ranges::lower_bound(curve, point.step, {}, &RunPoint::step);
  if (at != curve.end() && at->step == point.step) {
    *at = point;
  } else {
    curve.insert(at, point);
  }
}

void add_learned(RunRecord& run, const json& learned, RunPoint point) {
  for (const auto& [name, values] : learned.items()) {
    auto& curves = run.learned[name];
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values.is_array() || !values[i].is_number()) continue;
      if (curves.size() <= i) curves.resize(i + 1);
      point.value = values[i].get<double>();
      add_point(curves[i], point);
    }
  }
}

void read_curves(RunRecord& run) {
  Amounts tokens, seconds;
  for (const auto& line : run.lines) {
    if (const auto fed = number(line.values, "tokens")) {
      tokens.add(line.step, *fed);
      run.tokens = fed;
    }
    if (const auto taken = number(line.values, "seconds")) {
      seconds.add(line.step, *taken);
      run.seconds = taken;
    }
  }
  for (const auto& line : run.lines) {
    const auto& values = line.values;
    RunPoint point{line.step, tokens.at(line.step), seconds.at(line.step), 0};
    run.step = std::max(run.step, line.step);
    const auto add = [&](RunCurve& curve, const char* key) {
      const auto value = number(values, key);
      if (!value) return;
      point.value = *value;
      add_point(curve, point);
    };
    add(run.loss, "loss");
    add(run.validation_loss, "validation_loss");
    if (values.contains("learned") && values["learned"].is_object())
      add_learned(run, values["learned"], point);
    if (const auto peak = number(values, "peak_bytes"))
      run.peak_bytes = std::max(run.peak_bytes.value_or(0), static_cast<std::int64_t>(*peak));
    if (!values.contains("validation_loss")) continue;
    run.floor = number(values, "floor");
    run.floor_error = number(values, "floor_error");
    run.validation_accuracy = number(values, "validation_accuracy");
  }
}

std::string value_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void add_config(RunRecord::Settings& settings, const std::string& prefix, const json& object) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      add_config(settings, prefix + key + ".", value);
    } else {
      settings.emplace_back(prefix + key, value_text(value));
    }
  }
}

// Files of a run that are there.
void read_if_there(const fs::path& file, const std::function<void()>& read) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return;
  try {
    read();
  } catch (const Error& error) {
    print_warning(fmt::format("{}; it is left out of the report", error.what()));
  }
}

void read_files(RunRecord& run) {
  const auto path = [&](const char* name) { return run.folder / name; };
  const auto options = path("options.toml"), metrics = path("metrics.jsonl");
  const auto config = path("config.json"), model = path("model.safetensors");
  read_if_there(options, [&] {
    for (auto& [key, value] : read_toml(options.string())) {
      std::ranges::replace(key, '-', '_');
      run.options.emplace_back(current_key(key), value);
    }
  });
  read_if_there(metrics, [&] { run.lines = read_metrics_lines(metrics, "report"); });
  read_if_there(config, [&] {
    const auto object = parse_json(read_file(config, "report"), "report", config.string());
    if (object.is_object()) add_config(run.config, "", object);
  });
  read_if_there(model, [&] {
    const auto file = SafetensorsFile::open(model);
    std::int64_t count = 0;
    for (const auto& name : file.names()) {
      std::int64_t numbers = 1;
      for (const auto size : file.info(name).shape) numbers *= size;
      count += numbers;
    }
    run.parameters = count;
  });
}

RunState state_of(const RunRecord& run) {
  if (has_work_folder(run.folder) && is_claimed(run.folder)) return RunState::running;
  if (!run.max_steps) return RunState::unknown;
  const bool evaluated =
      !run.validation_loss.empty() && run.validation_loss.back().step >= *run.max_steps;
  return evaluated ? RunState::ended : RunState::stopped;
}

std::string value_of(const RunRecord::Settings& settings, std::string_view key) {
  const auto found = std::ranges::find(
      settings, key, [](const auto& pair) -> const std::string& { return pair.first; });
  return found == settings.end() ? std::string() : found->second;
}

std::optional<std::int64_t> whole_number(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 19 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::optional<std::int64_t>(std::stoll(text)) : std::nullopt;
}

}  // namespace

std::string_view name_of(RunState state) {
  switch (state) {
    case RunState::ended: return "ended";
    case RunState::stopped: return "stopped";
    case RunState::running: return "running";
    case RunState::unknown: break;
  }
  return "unknown";
}

const RunPoint* RunRecord::best_evaluation() const {
  const auto best = std::ranges::min_element(validation_loss, {}, &RunPoint::value);
  return best == validation_loss.end() ? nullptr : &*best;
}

std::optional<double> RunRecord::tokens_per_second() const {
  if (!tokens || !seconds || *seconds <= 0) return std::nullopt;
  return *tokens / *seconds;
}

std::string RunRecord::option(std::string_view key) const { return value_of(options, key); }
std::string RunRecord::config_value(std::string_view key) const { return value_of(config, key); }

RunRecord read_run_record(const fs::path& folder) {
  refuse_half_replaced(folder);
  RunRecord run;
  run.folder = folder;
  run.name = folder.filename().string();
  read_files(run);
  run.max_steps = whole_number(run.option("max_steps"));
  read_curves(run);
  if (run.loss.empty() && run.validation_loss.empty() && !run.lines.empty()) {
    print_warning(fmt::format("{}: no line has a loss or a validation_loss",
                              (folder / "metrics.jsonl").string()));
  }
  run.state = state_of(run);
  return run;
}

}  // namespace lookback
