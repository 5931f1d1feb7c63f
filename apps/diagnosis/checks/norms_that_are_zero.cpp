// Norms of which every gain is 0: nothing passes them, forward or backward.
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/zero_weights.h"

namespace lookback {
namespace {

class NormsThatAreZero final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::severed_path; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "norms that pass something on";
    const auto zero = zero_weights(subject);
    const auto count = static_cast<double>(zero.norms.size());
    if (zero.norms.empty())
      return diagnosis.passed(name, count, 0, "no norm has gains that are all 0");
    diagnosis.failed(
        Verdict::severed_path, name, count, 0,
        fmt::format("{}, so that nothing passes and {} parameters get no gradient: {}; a gain "
                    "begins at 1 (a file that keeps gain - 1, as Gemma's do, needs 1 added)",
                    zero.norms.size() == 1
                        ? "a norm has gains that are all 0"
                        : fmt::format("{} norms have gains that are all 0", zero.norms.size()),
                    zero.waiting.size(), listed(zero.norms)));
  }
};

const DiagnosisChecks::Add registered{"norms_that_are_zero",
                                      [] { return std::make_unique<NormsThatAreZero>(); }};

}  // namespace
}  // namespace lookback
