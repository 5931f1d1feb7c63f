#include "apps/train/read_run_history.h"

#include <nlohmann/json.hpp>

#include "apps/train/metrics_lines.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;

void add_point(RunHistory::Curve& curve, const MetricsLine& line, const char* key) {
  const auto found = line.values.find(key);
  if (found == line.values.end() || !found->is_number()) return;
  curve.steps.push_back(line.step);
  curve.values.push_back(found->get<double>());
}

void add_learned(RunHistory& history, const MetricsLine& line) {
  const auto learned = line.values.find("learned");
  if (learned == line.values.end() || !learned->is_object()) return;
  history.learned_steps.push_back(line.step);
  for (const auto& [name, values] : learned->items()) {
    std::vector<double> numbers;
    for (const auto& value : values) {
      if (value.is_number()) numbers.push_back(value.get<double>());
    }
    history.learned[name].push_back(std::move(numbers));
  }
}

fs::path metrics_of(const fs::path& directory) {
  const auto own = directory / "metrics.jsonl";
  const auto folder = fs::absolute(directory / "").parent_path();
  const bool in_a_run = folder.filename().string().starts_with("checkpoint-");
  return !fs::exists(own) && in_a_run ? folder.parent_path() / "metrics.jsonl" : own;
}

}  // namespace

RunHistory read_run_history(const fs::path& directory) {
  RunHistory history;
  const auto path = metrics_of(directory);
  if (!fs::exists(path)) return history;
  for (const auto& line : read_metrics_lines(path, "inspect")) {
    add_point(history.loss, line, "loss");
    add_point(history.validation_loss, line, "validation_loss");
    add_point(history.floor, line, "floor");
    add_learned(history, line);
  }
  return history;
}

}  // namespace lookback
