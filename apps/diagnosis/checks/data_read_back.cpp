// What training is fed, read back: rows that hang on step, micro-step and row alone, each drawn
// anew; from all of the data; and the tokens that stand where they begin.
#include <algorithm>

#include "apps/data/only_token.h"
#include "apps/diagnosis/chance.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/training_rows.h"

namespace lookback {
namespace {

using Rows = std::vector<std::vector<std::int64_t>>;

// Rows of a step that are compared, and in how many steps.
constexpr std::int64_t rows_of_a_step = 8, steps = 16;
constexpr StepCut two_micro_batches{2, rows_of_a_step / 2};

// Rows beside each other along one of the numbers that they are drawn by.
struct Neighbors {
  std::string names;  // "rows of a step are those of the step before"
  std::int64_t pairs = 0, equal = 0;

  void add(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
    ++pairs;
    equal += a == b;
  }
};

void report(const std::string& name, const Neighbors& found, double equal_by_chance,
            Diagnosis& diagnosis) {
  const double bound = most_by_chance(equal_by_chance * static_cast<double>(found.pairs));
  const auto evidence =
      fmt::format("{} of {} {}: by chance {:.0f} at most", found.equal, found.pairs, found.names,
                  std::min(bound, static_cast<double>(found.pairs)));
  diagnosis.compared(Verdict::wrong_data, name, "what chance makes equal",
                     static_cast<double>(found.equal), bound, evidence);
}

class DataReadBack final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::wrong_data; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    one_token(*subject.data.training, diagnosis);
    const TrainingRows rows(subject);
    next_tokens(rows, diagnosis);
    if (rows.source().tokens() && !rows.places()) {
      return diagnosis.not_applicable("rows of training",
                                      "the tokens of this source have no places");
    }
    std::vector<Rows> drawn;
    for (std::int64_t step = 0; step < steps; ++step)
      drawn.push_back(rows.of_step(step, two_micro_batches));
    drawn_anew(rows, drawn, diagnosis);
    drawn_again(rows, drawn, diagnosis);
    cut_otherwise(rows, drawn, diagnosis);
    of_another_seed(subject, rows, drawn, diagnosis);
  }

 private:
  static void one_token(const TokenSource& source, Diagnosis& diagnosis) {
    const std::string name = "different tokens in the training data";
    if (const auto found = only_token(source)) {
      diagnosis.failed(Verdict::wrong_data, name, 1, 2, *found);
    } else {
      diagnosis.passed(name, 2, 2, "they are not all the same");
    }
  }

  // Every target is the input behind it.
  static void next_tokens(const TrainingRows& rows, Diagnosis& diagnosis) {
    const std::string name = "targets of training rows";
    const auto batch = rows.source().training_batch(0, 1, rows_of_a_step / 2, rows.columns());
    for (std::int64_t i = 0; i + 1 < batch.rows * batch.columns; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const bool row_ends = (i + 1) % batch.columns == 0;
      if (row_ends || batch.targets[at] == ignored_target) continue;
      if (batch.targets[at] == batch.inputs[at + 1]) continue;
      return diagnosis.failed(
          Verdict::misaligned_targets, name, 1, 0,
          fmt::format("row {}, position {}: the target is token {}, and the next input {}",
                      i / batch.columns, i % batch.columns, batch.targets[at],
                      batch.inputs[at + 1]));
    }
    diagnosis.passed(name, 0, 0, "every target is the next input");
  }

  static void drawn_anew(const TrainingRows& rows, const std::vector<Rows>& drawn,
                         Diagnosis& diagnosis) {
    Neighbors of_steps{.names = "rows are those of the step before"},
        of_micro_steps{.names = "rows of the second micro-batch of a step are those of its first"},
        of_rows{.names = "rows of a batch are the row before"};
    constexpr auto half = static_cast<std::size_t>(two_micro_batches.rows);
    for (std::size_t step = 0; step < drawn.size(); ++step) {
      const auto& now = drawn[step];
      for (std::size_t row = 0; row < now.size(); ++row) {
        if (step > 0) of_steps.add(drawn[step - 1][row], now[row]);
        if (row >= half) of_micro_steps.add(now[row - half], now[row]);
        if (row % half > 0) of_rows.add(now[row - 1], now[row]);
      }
    }
    report("rows of one step and of the next", of_steps, rows.equal_by_chance(), diagnosis);
    report("rows of one micro-batch and of the next", of_micro_steps, rows.equal_by_chance(),
           diagnosis);
    report("rows of a batch", of_rows, rows.equal_by_chance(), diagnosis);
  }

  // The last step first: nothing may hang on what was drawn before.
  static void drawn_again(const TrainingRows& rows, const std::vector<Rows>& drawn,
                          Diagnosis& diagnosis) {
    const std::string name = "a step that is drawn again";
    for (auto step = steps - 1; step >= 0; --step) {
      if (rows.of_step(step, two_micro_batches) == drawn[static_cast<std::size_t>(step)]) continue;
      return diagnosis.failed(
          Verdict::wrong_data, name, 1, 0,
          fmt::format("the rows of step {} are others when they are drawn once more: a run that is "
                      "resumed is fed something else",
                      step));
    }
    diagnosis.compared(Verdict::wrong_data, name, "the same steps, drawn again", 0, 0,
                       fmt::format("{} steps, drawn twice, have the same rows", steps));
  }

  static void cut_otherwise(const TrainingRows& rows, const std::vector<Rows>& drawn,
                            Diagnosis& diagnosis) {
    const std::string name = "rows of a step, in other micro-batches";
    for (std::int64_t micro_steps = 1; micro_steps <= rows_of_a_step; micro_steps *= 2) {
      const StepCut cut{micro_steps, rows_of_a_step / micro_steps};
      const auto again = rows.of_step(0, cut);
      const auto differs = std::ranges::mismatch(again, drawn[0]).in1;
      if (differs == again.end()) continue;
      return diagnosis.failed(
          Verdict::wrong_data, name, 1, 0,
          fmt::format("row {} of a step of {} is another one where the step has {} micro-batches "
                      "of {} than where it has {} of {}",
                      differs - again.begin(), rows_of_a_step, cut.micro_steps, cut.rows,
                      two_micro_batches.micro_steps, two_micro_batches.rows));
    }
    diagnosis.compared(
        Verdict::wrong_data, name, "other cuts of the same step", 0, 0,
        fmt::format("a step of {} rows has the same ones in 1, 2, 4 and 8 micro-batches",
                    rows_of_a_step));
  }

  static void of_another_seed(const Subject& subject, const TrainingRows& rows,
                              const std::vector<Rows>& drawn, Diagnosis& diagnosis) {
    const std::string name = "rows of another seed";
    auto other = subject;
    other.data.training = rows.source().drawn_from(~subject.seed);
    if (other.data.training == nullptr) {
      return diagnosis.not_applicable(name, "the source cannot be drawn from another seed");
    }
    const TrainingRows others(other);
    Neighbors both{.names = "rows of another seed are those of this one"};
    for (std::size_t step = 0; step < drawn.size(); ++step) {
      const auto theirs = others.of_step(static_cast<std::int64_t>(step), two_micro_batches);
      for (std::size_t row = 0; row < theirs.size(); ++row) both.add(drawn[step][row], theirs[row]);
    }
    report(name, both, rows.equal_by_chance(), diagnosis);
  }
};

const DiagnosisChecks::Add registered{"data_read_back",
                                      [] { return std::make_unique<DataReadBack>(); }};

}  // namespace
}  // namespace lookback
