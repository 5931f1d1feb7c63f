#include "apps/inspect/run_history.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/read_file.h"

namespace lookback {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

void add_point(RunHistory::Curve& curve, const Json& line, const char* key) {
  if (!line.contains(key) || !line.at(key).is_number()) return;
  curve.steps.push_back(line.at("step").get<std::int64_t>());
  curve.values.push_back(line.at(key).get<double>());
}

void add_learned(RunHistory& history, const Json& line) {
  if (!line.contains("learned") || !line.at("learned").is_object()) return;
  history.learned_steps.push_back(line.at("step").get<std::int64_t>());
  for (const auto& [name, values] : line.at("learned").items()) {
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
  std::istringstream lines(read_file(path, "inspect"));
  for (std::string text; std::getline(lines, text);) {
    const auto line = Json::parse(text, nullptr, false);
    if (!line.is_object() || !line.contains("step") || !line.at("step").is_number_integer())
      continue;
    add_point(history.loss, line, "loss");
    add_point(history.validation_loss, line, "validation_loss");
    add_point(history.floor, line, "floor");
    add_learned(history, line);
  }
  return history;
}

}  // namespace lookback
