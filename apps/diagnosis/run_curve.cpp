#include "apps/diagnosis/run_curve.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>
#include <numeric>

#include "apps/train/metrics_lines.h"
#include "runtime/check.h"

namespace lookback {
namespace {

using Json = nlohmann::json;

std::optional<double> optional_number(const Json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end() || !found->is_number()) return {};
  return found->get<double>();
}

void read_line(std::int64_t step, const Json& line, RunCurve& curve) {
  const auto number = [&](const char* key) { return line.at(key).get<double>(); };
  if (line.contains("validation_loss")) {
    curve.validation.push_back({.step = step,
                                .loss = number("validation_loss"),
                                .accuracy = number("validation_accuracy"),
                                .floor = optional_number(line, "floor"),
                                .floor_error = optional_number(line, "floor_error")});
  } else if (line.contains("loss")) {
    curve.training.push_back({.step = step,
                              .loss = number("loss"),
                              .accuracy = number("accuracy"),
                              .grad_norm = number("grad_norm"),
                              .learning_rate = number("learning_rate")});
  }
}

// Entropy of single tokens, in nats, over some thousand of them.
double unigram_entropy(const TokenSource& source) {
  constexpr std::int64_t steps = 16, rows = 16, columns = 64;
  std::map<std::int64_t, double> counts;
  double total = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    for (const auto target : source.training_batch(step, 0, rows, columns).targets) {
      if (target == ignored_target) continue;
      ++counts[target];
      ++total;
    }
  }
  return std::accumulate(counts.begin(), counts.end(), 0.0, [&](double sum, const auto& entry) {
    const double share = entry.second / total;
    return sum - share * std::log(share);
  });
}

}  // namespace

RunCurve read_run_curve(const std::filesystem::path& metrics) {
  RunCurve curve;
  for (const auto& line : read_metrics_lines(metrics, "metrics")) {
    try {
      read_line(line.step, line.values, curve);
    } catch (const Json::exception&) {
      fail("metrics", "{}: line {} is no line of a run", metrics.string(), line.number);
    }
  }
  return curve;
}

std::vector<KnownLevel> known_levels(const TokenSource& source, std::int64_t vocabulary) {
  const auto words = static_cast<double>(vocabulary);
  return {{std::log(words), "ln V: the model predicts nothing"},
          {std::log(std::numbers::e + words - 1) - 1,
           "ln(e + V - 1) - 1: a softmax is applied to probabilities"},
          {unigram_entropy(source),
           "the entropy of single tokens: what comes before a token tells the model nothing"}};
}

std::optional<KnownLevel> plateau_of(const std::vector<double>& losses,
                                     const std::vector<KnownLevel>& levels, double tolerance) {
  constexpr std::size_t min_points = 5;
  if (losses.size() < min_points) return {};
  const auto count = std::max<std::size_t>(min_points, losses.size() / 5);
  const std::vector<double> tail(losses.end() - static_cast<std::ptrdiff_t>(count), losses.end());
  const auto [low, high] = std::ranges::minmax(tail);
  if (!(high - low < 4 * tolerance)) return {};
  const double mean = std::accumulate(tail.begin(), tail.end(), 0.0) / static_cast<double>(count);
  for (const auto& level : levels) {
    if (std::fabs(mean - level.nats) < tolerance) return level;
  }
  return {};
}

}  // namespace lookback
