#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/compare/comparison.h"
#include "runtime/check.h"

namespace lookback {
namespace {

// Those of train's lines, whether a run has them or not: the header does not depend on the run.
constexpr std::array<std::string_view, 14> columns = {"step",
                                                      "loss",
                                                      "auxiliary_loss",
                                                      "accuracy",
                                                      "grad_norm",
                                                      "learning_rate",
                                                      "tokens",
                                                      "tokens_per_second",
                                                      "seconds",
                                                      "validation_loss",
                                                      "validation_accuracy",
                                                      "floor",
                                                      "floor_error",
                                                      "peak_bytes"};

// "learned/NAME/INDEX" in the order of names and of indices.
using LearnedColumns = std::map<std::string, std::size_t>;  // how many numbers a name has

struct OtherColumns {
  LearnedColumns learned;
  std::set<std::string> numbers;
};

OtherColumns others_of(const Comparison& comparison) {
  OtherColumns others;
  for (const auto& run : comparison.runs) {
    for (const auto& [name, curves] : run.learned) {
      auto& count = others.learned[name];
      count = std::max(count, curves.size());
    }
    for (const auto& line : run.lines) {
      for (const auto& [key, value] : line.values.items()) {
        if (value.is_number() && std::ranges::find(columns, key) == columns.end())
          others.numbers.insert(key);
      }
    }
  }
  return others;
}

std::string field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string number_field(const nlohmann::json& object, const std::string& key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_number() ? std::string() : found->dump();
}

std::string learned_field(const nlohmann::json& line, const std::string& name, std::size_t index) {
  const auto learned = line.find("learned");
  if (learned == line.end() || !learned->is_object()) return {};
  const auto values = learned->find(name);
  const bool there = values != learned->end() && values->is_array() && index < values->size() &&
                     (*values)[index].is_number();
  return there ? (*values)[index].dump() : std::string();
}

std::string header(const OtherColumns& others) {
  std::string text = "run";
  for (const auto column : columns) text += fmt::format(",{}", column);
  for (const auto& [name, count] : others.learned) {
    for (std::size_t i = 0; i < count; ++i)
      text += "," + field(fmt::format("learned/{}/{}", name, i));
  }
  for (const auto& key : others.numbers) text += "," + field(key);
  return text + "\r\n";
}

}  // namespace

std::string metrics_csv(const Comparison& comparison) {
  const auto others = others_of(comparison);
  auto text = header(others);
  for (const auto& run : comparison.runs) {
    const auto name = field(run.name);
    for (const auto& line : run.lines) {
      text += name;
      for (const auto column : columns)
        text += "," + number_field(line.values, std::string(column));
      for (const auto& [parameter, count] : others.learned) {
        for (std::size_t i = 0; i < count; ++i)
          text += "," + learned_field(line.values, parameter, i);
      }
      for (const auto& key : others.numbers) text += "," + number_field(line.values, key);
      text += "\r\n";
    }
  }
  return text;
}

}  // namespace lookback
