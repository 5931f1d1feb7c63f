#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/compare/comparison.h"

namespace lookback {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json optional_value(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// What is not known has no number in JSON.
Json known(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json curve_json(const RunCurve& curve) {
  Json steps = Json::array(), tokens = Json::array(), seconds = Json::array(),
       values = Json::array();
  for (const auto& point : curve) {
    steps.push_back(point.step);
    tokens.push_back(known(point.tokens));
    seconds.push_back(known(point.seconds));
    values.push_back(point.value);
  }
  return {{"step", steps}, {"tokens", tokens}, {"seconds", seconds}, {"value", values}};
}

Json settings_json(const DifferingSettings& settings, std::size_t run) {
  auto object = Json::object();
  for (std::size_t i = 0; i < settings.keys.size(); ++i) {
    const auto& value = settings.values[run][i];
    object[settings.keys[i]] = value.empty() ? Json(nullptr) : Json(value);
  }
  return object;
}

Json run_json(const Comparison& comparison, std::size_t index, ComparisonDetail detail) {
  const auto& run = comparison.runs[index];
  const auto* best = run.best_evaluation();
  Json object{{"name", run.name},
              {"directory", run.folder.string()},
              {"state", name_of(run.state)},
              {"step", run.step},
              {"max_steps", optional_value(run.max_steps)},
              {"loss", optional_value(run.last_loss())},
              {"validation_loss", optional_value(run.last_validation_loss())},
              {"validation_accuracy", optional_value(run.validation_accuracy)},
              {"best_validation_loss", best != nullptr ? Json(best->value) : Json(nullptr)},
              {"best_step", best != nullptr ? Json(best->step) : Json(nullptr)},
              {"floor", optional_value(run.floor)},
              {"floor_error", optional_value(run.floor_error)},
              {"tokens", optional_value(run.tokens)},
              {"tokens_per_second", optional_value(run.tokens_per_second())},
              {"seconds", optional_value(run.seconds)},
              {"peak_bytes", optional_value(run.peak_bytes)},
              {"parameters", optional_value(run.parameters)},
              {"options", settings_json(comparison.options, index)},
              {"config", settings_json(comparison.config, index)}};
  if (detail == ComparisonDetail::summary) return object;
  auto learned = Json::object();
  for (const auto& [name, curves] : run.learned) {
    learned[name] = Json::array();
    for (const auto& curve : curves) learned[name].push_back(curve_json(curve));
  }
  object["curves"] = {{"loss", curve_json(run.loss)},
                      {"validation_loss", curve_json(run.validation_loss)},
                      {"learned", learned}};
  return object;
}

}  // namespace

Json comparison_json(const Comparison& comparison, ComparisonDetail detail) {
  auto runs = Json::array();
  for (std::size_t i = 0; i < comparison.runs.size(); ++i)
    runs.push_back(run_json(comparison, i, detail));
  const auto* best = comparison.best();
  return {{"runs", std::move(runs)},
          {"comparable", comparison.comparable},
          {"best", best != nullptr ? Json(best->name) : Json(nullptr)},
          {"notes", comparison.notes}};
}

}  // namespace lookback
