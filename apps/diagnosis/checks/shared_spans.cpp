// Rows of a step that say the same somewhere: of endless sources, which have no places to compare,
// but the probability of every token. Given all of one row, another one that is drawn by itself
// goes on as it does, over a span, with the product of its tokens' probabilities: what is left of
// it in nats, ln (pairs of places) + nats_of_chance, chance does not reach.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/training_rows.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 8, steps = 2, most_columns = 256;

// Tokens of a row from one on, and of a later row from another on, that are equal.
struct Span {
  std::int64_t row = 0, at = 0, later_row = 0, later_at = 0, tokens = 0;
  double nats = 0;  // what the later row's cost
};

struct Step {
  std::vector<std::vector<std::int64_t>> sequences;  // [rows][T + 1]
  std::vector<std::vector<double>> nats;             // [rows][T], of each token but the first
};

Step step_of(const TokenSource& source, std::int64_t step, std::int64_t columns) {
  const auto batch = source.training_batch(step, 0, rows, columns);
  const auto nats = source.nats(batch);
  Step found;
  for (std::int64_t row = 0; row < rows; ++row) {
    found.sequences.push_back(row_of(batch, row));
    const auto first = nats.begin() + row * columns;
    found.nats.emplace_back(first, first + columns);
  }
  return found;
}

// The dearest span of two rows, of all that do not stand at the same place: whole rows that are
// equal are counted elsewhere (data_read_back.cpp), and a source may draw from a set of them.
void look_for_dearest(const Step& step, std::size_t row, std::size_t later, Span& dearest) {
  const auto &a = step.sequences[row], &b = step.sequences[later];
  const auto columns = std::ssize(a);
  for (std::int64_t shift = 1 - columns; shift < columns; ++shift) {
    if (shift == 0) continue;
    Span span;
    for (auto i = std::max<std::int64_t>(1, 1 - shift); i < std::min(columns, columns - shift);
         ++i) {
      const auto at = static_cast<std::size_t>(i), other = static_cast<std::size_t>(i + shift);
      if (a[other] != b[at]) {
        span = {};
        continue;
      }
      if (span.tokens++ == 0) {
        span.row = static_cast<std::int64_t>(row);
        span.later_row = static_cast<std::int64_t>(later);
        span.at = i + shift;
        span.later_at = i;
      }
      span.nats += step.nats[later][at - 1];
      if (span.nats > dearest.nats) dearest = span;
    }
  }
}

class SharedSpans final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_data; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "spans that rows of a step share";
    const TrainingRows training(subject);
    const auto& source = training.source();
    if (training.places() || !source.has_floor()) {
      return diagnosis.not_applicable(name,
                                      "the source has places, or no probabilities of its tokens");
    }
    const auto columns = std::min(training.columns(), most_columns);
    Span dearest;
    double pairs_of_places = 0;
    for (std::int64_t number = 0; number < steps; ++number) {
      const auto step = step_of(source, number, columns);
      for (std::size_t later = 1; later < step.sequences.size(); ++later) {
        for (std::size_t row = 0; row < later; ++row) {
          look_for_dearest(step, row, later, dearest);
          pairs_of_places += std::pow(static_cast<double>(columns), 2);
        }
      }
    }
    const double bound = std::log(pairs_of_places) + thresholds::nats_of_chance;
    diagnosis.compared(
        Verdict::wrong_data, name, "what chance makes equal", dearest.nats, bound,
        fmt::format("row {} from position {} on and row {} from position {} on share {} tokens, "
                    "whose surprise is {:.1f} nats: by chance {:.1f} at most",
                    dearest.row, dearest.at, dearest.later_row, dearest.later_at, dearest.tokens,
                    dearest.nats, bound));
  }
};

const DiagnosisChecks::Add registered{"shared_spans",
                                      [] { return std::make_unique<SharedSpans>(); }};

}  // namespace
}  // namespace lookback
