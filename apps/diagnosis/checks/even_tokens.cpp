// A source that says of all its tokens that they cost the same, c nats, draws evenly from e^c of
// them: what it never draws, or draws more often, makes its floor another one.
#include <algorithm>
#include <cmath>
#include <set>

#include "apps/diagnosis/chance.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/training_rows.h"

namespace lookback {
namespace {

// Enough that one of 256 classes that is never drawn is told from chance twice over.
constexpr std::int64_t rows = 64, columns = 256, batches = 12;
constexpr std::int64_t most_classes = 256;

struct Draws {
  std::set<std::vector<std::int64_t>> rows;  // different ones: a set of rows is drawn again
  bool cost_the_same = true;
  double nats = -1;

  void add(const TokenSource& source, const TokenBatch& batch) {
    for (const double each : source.nats(batch)) {
      if (nats < 0) nats = each;
      cost_the_same = cost_the_same && each == nats;
    }
    for (std::int64_t row = 0; row < batch.rows; ++row) rows.insert(row_of(batch, row));
  }
};

class EvenTokens final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_data; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto& training = *subject.data.training;
    hold(
        "tokens of training data", training,
        [&](std::int64_t i) { return training.training_batch(i, 0, rows, columns); }, diagnosis);
    const auto& validation = *subject.data.validation;
    hold(
        "tokens of validation data", validation,
        [&](std::int64_t i) { return validation.evaluation_batch(i * rows, rows, columns); },
        diagnosis);
  }

 private:
  template <class BatchOf>
  static void hold(const std::string& name, const TokenSource& source, const BatchOf& batch_of,
                   Diagnosis& diagnosis) {
    if (!source.has_floor() || source.tokens()) {
      return diagnosis.not_applicable(name,
                                      "the source is not an endless one that says how likely "
                                      "its tokens are");
    }
    Draws draws;
    for (std::int64_t i = 0; i < batches && draws.cost_the_same; ++i)
      draws.add(source, batch_of(i));
    if (!draws.cost_the_same)
      return diagnosis.not_applicable(name, "the tokens of this source are not equally likely");
    compare(name, draws, std::llround(std::exp(draws.nats)), diagnosis);
  }

  static void compare(const std::string& name, const Draws& draws, std::int64_t words,
                      Diagnosis& diagnosis) {
    const auto classes = std::min(words, most_classes);
    std::vector<double> counts(static_cast<std::size_t>(classes), 0);
    const auto first_of = [&](std::int64_t i) {  // the first token of class i
      return i * (words / classes) + std::min(i, words % classes);
    };
    double all = 0;
    for (const auto& row : draws.rows) {
      for (const auto token : row) {
        if (token < 0 || token >= words) {
          return diagnosis.failed(
              Verdict::wrong_data, name, static_cast<double>(token), static_cast<double>(words - 1),
              fmt::format("token {} is drawn, of {} that are equally likely", token, words));
        }
        auto i = std::min(classes - 1, token / (words / classes));
        while (first_of(i) > token) --i;
        ++counts[static_cast<std::size_t>(i)];
        ++all;
      }
    }
    double chi_square = 0, farthest = 0;
    std::int64_t where = 0;
    for (std::int64_t i = 0; i < classes; ++i) {
      const double expected =
          all * static_cast<double>(first_of(i + 1) - first_of(i)) / static_cast<double>(words);
      const double off = counts[static_cast<std::size_t>(i)] - expected;
      chi_square += off * off / expected;
      if (std::abs(off) <= farthest) continue;
      farthest = std::abs(off);
      where = i;
    }
    diagnosis.compared(
        Verdict::wrong_data, name, "tokens drawn evenly", chi_square,
        chi_square_by_chance(classes - 1),
        fmt::format("{:.0f} tokens that cost {:.4g} nats each, in {} classes, have a chi-square of "
                    "{:.1f}; {:.0f} are one of {} to {}, where {:.0f} are expected",
                    all, draws.nats, classes, chi_square, counts[static_cast<std::size_t>(where)],
                    first_of(where), first_of(where + 1) - 1,
                    all * static_cast<double>(first_of(where + 1) - first_of(where)) /
                        static_cast<double>(words)));
  }
};

const DiagnosisChecks::Add registered{"even_tokens", [] { return std::make_unique<EvenTokens>(); }};

}  // namespace
}  // namespace lookback
