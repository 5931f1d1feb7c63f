// The first operation of a training step, forward or backward, whose output is NaN or infinite.
#include "apps/train/non_finite.h"
#include "apps/diagnosis/diagnosis_check.h"

namespace lookback {
namespace {

class NonFiniteNumbers final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::non_finite; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "numbers of a training step";
    const auto found = find_non_finite(*subject.model(), {subject.batch()});
    if (found) {
      diagnosis.failed(Verdict::non_finite, name, 1, 0, *found);
    } else {
      diagnosis.passed(name, 0, 0, "every operation, forward and backward, wrote finite numbers");
    }
  }
};

const DiagnosisChecks::Add registered{"non_finite",
                                      [] { return std::make_unique<NonFiniteNumbers>(); }};

}  // namespace
}  // namespace lookback
