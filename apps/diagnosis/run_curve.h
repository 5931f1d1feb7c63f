// The curve of a run, read back from its metrics.jsonl, and the numbers a curve may stop at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/data/token_source.h"

namespace lookback {

struct RunCurve {
  struct Line {
    std::int64_t step = 0;
    double loss = 0, accuracy = 0, grad_norm = 0, learning_rate = 0;
  };
  struct Evaluation {
    std::int64_t step = 0;
    double loss = 0, accuracy = 0;
    std::optional<double> floor, floor_error;
  };
  std::vector<Line> training;
  std::vector<Evaluation> validation;
};

// Throws Error naming the file and the line whose numbers are not those of a run's. What is no line
// with a step is left out, with a warning.
RunCurve read_run_curve(const std::filesystem::path& metrics);

// A loss that a model without some ability cannot get below.
struct KnownLevel {
  double nats = 0;
  std::string meaning;  // "ln V: it predicts nothing"
};

// ln V; the entropy of single tokens in these data; what is left where a softmax is applied to
// logits that are probabilities already: ln(e + V - 1) - 1.
std::vector<KnownLevel> known_levels(const TokenSource& source, std::int64_t vocabulary);

// Where the last fifth of a curve stands still within `tolerance` nats of a known level.
std::optional<KnownLevel> plateau_of(const std::vector<double>& losses,
                                     const std::vector<KnownLevel>& levels, double tolerance);

}  // namespace lookback
