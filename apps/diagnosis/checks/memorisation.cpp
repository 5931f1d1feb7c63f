// Training data that can only be learned by heart, and weights that did.
#include <set>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/memory_gap.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

class Memorization final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::memorisation; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    repeated_rows(subject, diagnosis);
    if (subject.has_weights()) gap(subject, diagnosis);
  }

 private:
  // An endless source draws new rows each time; one that repeats itself is a small set in disguise.
  static void repeated_rows(const Subject& subject, Diagnosis& diagnosis) {
    const std::string name = "rows of training that are new";
    if (subject.data.training->tokens()) {
      return diagnosis.not_applicable(name,
                                      "the training data are finite: epochs repeat them openly");
    }
    constexpr std::int64_t steps = 32, rows = 16, columns = 64;
    std::set<std::vector<std::int64_t>> distinct;
    for (std::int64_t step = 0; step < steps; ++step) {
      const auto batch = subject.data.training->training_batch(step, 0, rows, columns);
      for (std::int64_t row = 0; row < rows; ++row) {
        const auto begin = batch.inputs.begin() + row * columns;
        distinct.emplace(begin, begin + columns);
      }
    }
    const auto share = static_cast<double>(distinct.size()) / static_cast<double>(steps * rows);
    const auto evidence = fmt::format("{} rows drawn from the training data are {} different ones",
                                      steps * rows, distinct.size());
    if (share < thresholds::new_rows) {
      diagnosis.failed(Verdict::memorisation, name, share, thresholds::new_rows,
                       evidence + ": their loss goes to 0 without anything learned");
    } else {
      diagnosis.passed(name, share, thresholds::new_rows, evidence);
    }
  }

  static void gap(const Subject& subject, Diagnosis& diagnosis) {
    const std::string name = "loss on validation less that on training";
    const auto found = memory_gap(subject, *subject.model());
    if (found.is_memory()) {
      diagnosis.failed(Verdict::memorisation, name, found.nats(), thresholds::memorized_nats,
                       found.evidence());
    } else {
      diagnosis.passed(name, found.nats(), thresholds::memorized_nats, found.evidence());
    }
  }
};

const DiagnosisChecks::Add registered{"memorisation",
                                      [] { return std::make_unique<Memorization>(); }};

}  // namespace
}  // namespace lookback
