// Where in the data the rows of training begin: everywhere, as often at one place as at another,
// and what is fed is what stands there.
#include <algorithm>

#include "apps/diagnosis/chance.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/training_rows.h"

namespace lookback {
namespace {

// Of a step, and over all steps: rows that are drawn, without their tokens.
constexpr std::int64_t rows_of_a_step = 8, draws = 10000;
constexpr StepCut two_micro_batches{2, rows_of_a_step / 2};
// Rows of which the tokens are read.
constexpr std::int64_t rows_read = 32;

// A class of places, and how many rows begin in it.
struct PlaceClass {
  std::string name;
  std::int64_t places = 0, rows = 0;
  double expected = 0;
};

void name_extremes(std::string& evidence, const std::vector<PlaceClass>& classes) {
  const auto [least, most] = std::ranges::minmax_element(
      classes, {}, [](const auto& each) { return static_cast<double>(each.rows) / each.expected; });
  evidence += fmt::format("; {} begin {}, where {:.0f} are expected, and {} begin {}", least->rows,
                          least->name, least->expected, most->rows, most->name);
}

void report(const std::string& name, std::vector<PlaceClass> classes, Diagnosis& diagnosis) {
  double places = 0, rows = 0, chi_square = 0;
  for (const auto& each : classes) {
    places += static_cast<double>(each.places);
    rows += static_cast<double>(each.rows);
  }
  for (auto& each : classes) {
    each.expected = rows * static_cast<double>(each.places) / places;
    const double more = static_cast<double>(each.rows) - each.expected;
    chi_square += more * more / each.expected;
  }
  const double bound = chi_square_by_chance(std::ssize(classes) - 1);
  auto evidence = fmt::format("{:.0f} rows over {} classes of places have a chi-square of {:.1f}",
                              rows, classes.size(), chi_square);
  if (!(chi_square <= bound)) name_extremes(evidence, classes);
  diagnosis.compared(Verdict::wrong_data, name, "rows drawn evenly", chi_square, bound, evidence);
}

class TrainingPlaces final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_data; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const TrainingRows rows(subject);
    if (!rows.places()) {
      return diagnosis.not_applicable("places of training rows",
                                      "the tokens of this source have no places");
    }
    const auto starts = starts_of_run(subject, rows);
    if (!inside(rows, starts, diagnosis)) return;
    if (*rows.places() > 1) {
      in_tenths("tenths of the training data", "at tokens {} to {}", *rows.places(), starts,
                diagnosis);
      by_remainder(rows, starts, diagnosis);
      apart(rows, starts, diagnosis);
    }
    at_both_ends(rows, diagnosis);
    tokens_there(rows, diagnosis);
  }

 private:
  // Spread over the steps of the run.
  static std::vector<std::int64_t> starts_of_run(const Subject& subject, const TrainingRows& rows) {
    constexpr std::int64_t drawn_steps = draws / rows_of_a_step;
    const auto all_steps = subject.options.max_steps.value_or(drawn_steps);
    const auto stride = std::max<std::int64_t>(1, all_steps / drawn_steps);
    std::vector<std::int64_t> starts;
    for (std::int64_t step = 0; step < drawn_steps; ++step) {
      for (const auto& row : rows.of_step(step * stride, two_micro_batches))
        starts.push_back(row.front());
    }
    return starts;
  }

  static bool inside(const TrainingRows& rows, const std::vector<std::int64_t>& starts,
                     Diagnosis& diagnosis) {
    const std::string name = "training rows inside of the training part";
    const auto [first, last] = std::ranges::minmax(starts);
    const auto tokens = *rows.source().tokens();
    const auto evidence =
        fmt::format("rows of {} tokens begin at {} to {} of {} tokens for training",
                    rows.columns() + 1, first, last, tokens);
    const bool held = first >= 0 && last < *rows.places();
    if (held) {
      diagnosis.passed(name, 0, 0, evidence);
    } else {
      diagnosis.failed(Verdict::wrong_data, name, 1, 0, evidence);
    }
    return held;
  }

  // `numbers` are below `places`; `words`: what a tenth is called, by its first and last number.
  static void in_tenths(const std::string& name, std::string_view words, std::int64_t places,
                        const std::vector<std::int64_t>& numbers, Diagnosis& diagnosis) {
    const auto count = std::min<std::int64_t>(10, places);
    std::vector<PlaceClass> classes;
    const auto begin_of = [&](std::int64_t i) {
      return i * (places / count) + std::min(i, places % count);
    };
    for (std::int64_t i = 0; i < count; ++i) {
      const auto begin = begin_of(i), end = begin_of(i + 1);
      classes.push_back({fmt::format(fmt::runtime(words), begin, end - 1), end - begin});
    }
    for (const auto number : numbers) {
      std::int64_t i = count - 1;
      while (begin_of(i) > number) --i;
      ++classes[static_cast<std::size_t>(i)].rows;
    }
    report(name, std::move(classes), diagnosis);
  }

  // Where a row begins says nothing of where another one does: all distances come as often.
  static void apart(const TrainingRows& rows, const std::vector<std::int64_t>& starts,
                    Diagnosis& diagnosis) {
    struct Lag {
      std::string name;
      std::size_t rows;
    };
    const auto places = *rows.places();
    for (const auto& [name, lag] : {Lag{"distances from one row to the next", 1},
                                    Lag{"distances from one step to the next", rows_of_a_step}}) {
      std::vector<std::int64_t> distances;
      for (std::size_t i = lag; i < starts.size(); ++i)
        distances.push_back((starts[i] - starts[i - lag] + places) % places);
      in_tenths(name, "{} to {} tokens behind it", places, distances, diagnosis);
    }
  }

  // Steps of T tokens, or of two, would leave most rows out.
  static void by_remainder(const TrainingRows& rows, const std::vector<std::int64_t>& starts,
                           Diagnosis& diagnosis) {
    constexpr std::int64_t most = 1000;  // ten rows each
    const auto places = *rows.places();
    const auto count = std::min({2 * rows.columns(), most, places});
    std::vector<PlaceClass> classes;
    for (std::int64_t i = 0; i < count; ++i) {
      classes.push_back({fmt::format("at places that divided by {} leave {}", count, i),
                         (places - i + count - 1) / count});
    }
    for (const auto start : starts) ++classes[static_cast<std::size_t>(start % count)].rows;
    report("places of training rows by their remainder", std::move(classes), diagnosis);
  }

  // Rows so long that they have but eight places: all of them are drawn in the end.
  static void at_both_ends(const TrainingRows& rows, Diagnosis& diagnosis) {
    const std::string name = "ends of the training data";
    constexpr std::int64_t most_places = 8, steps = 64;
    const auto tokens = *rows.source().tokens();
    const auto places = std::min(most_places, tokens - 1);
    std::vector<std::int64_t> drawn(static_cast<std::size_t>(places), 0);
    for (std::int64_t step = 0; step < steps; ++step) {
      const auto starts = rows.source().training_starts(step, 0, rows_of_a_step, tokens - places);
      for (const auto start : *starts) {
        if (start < 0 || start >= places) {
          return diagnosis.failed(Verdict::wrong_data, name, static_cast<double>(start),
                                  static_cast<double>(places - 1),
                                  fmt::format("a row of {} tokens begins at token {} of {}",
                                              tokens - places + 1, start, tokens));
        }
        ++drawn[static_cast<std::size_t>(start)];
      }
    }
    const auto never = std::ranges::find(drawn, 0);
    const auto missing = static_cast<double>(std::ranges::count(drawn, 0));
    if (never == drawn.end()) {
      return diagnosis.passed(name, missing, 0, "the first and the last token are fed");
    }
    diagnosis.failed(
        Verdict::wrong_data, name, missing, 0,
        fmt::format(
            "of {} rows of {} tokens, from {} tokens, none begins at token {}: {} never fed",
            steps * rows_of_a_step, tokens - places + 1, tokens, never - drawn.begin(),
            drawn.back() == 0    ? "the last token is"
            : drawn.front() == 0 ? "the first token is"
                                 : "some rows are"));
  }

  static void tokens_there(const TrainingRows& rows, Diagnosis& diagnosis) {
    const std::string name = "tokens of training rows";
    const auto& source = rows.source();
    for (std::int64_t step = 0; step < rows_read / rows_of_a_step; ++step) {
      for (std::int64_t micro_step = 0; micro_step < two_micro_batches.micro_steps; ++micro_step) {
        const auto count = two_micro_batches.rows;
        const auto batch = source.training_batch(step, micro_step, count, rows.columns());
        const auto starts = *source.training_starts(step, micro_step, count, rows.columns());
        for (std::int64_t row = 0; row < count; ++row) {
          const auto start = starts[static_cast<std::size_t>(row)];
          const auto expected = read_in_pieces(source, start, rows.columns() + 1);
          const auto fed = row_of(batch, row);
          const auto differs = std::ranges::mismatch(fed, expected);
          if (differs.in1 == fed.end()) continue;
          return diagnosis.failed(
              Verdict::wrong_data, name, 1, 0,
              fmt::format("step {}, micro-batch {}, row {}: position {} is token {}, and at place "
                          "{} of the training data stands {}",
                          step, micro_step, row, differs.in1 - fed.begin(), *differs.in1,
                          start + (differs.in1 - fed.begin()), *differs.in2));
        }
      }
    }
    diagnosis.compared(Verdict::wrong_data, name, "the tokens of the text", 0, 0,
                       fmt::format("{} rows are what stands where they begin", rows_read));
  }

  static std::vector<std::int64_t> read_in_pieces(const TokenSource& source, std::int64_t first,
                                                  std::int64_t count) {
    constexpr std::int64_t piece = 7;
    std::vector<std::int64_t> tokens;
    for (std::int64_t at = 0; at < count; at += piece) {
      const auto part = *source.tokens_at(first + at, std::min(piece, count - at));
      tokens.insert(tokens.end(), part.begin(), part.end());
    }
    return tokens;
  }
};

const DiagnosisChecks::Add registered{"training_places",
                                      [] { return std::make_unique<TrainingPlaces>(); }};

}  // namespace
}  // namespace lookback
