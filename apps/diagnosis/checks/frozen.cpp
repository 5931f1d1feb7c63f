// A step that moves nothing, or has no gradient to move by.
#include <algorithm>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/step_probe.h"

namespace lookback {
namespace {

class Frozen final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::frozen; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto probe = probe_step(subject);
    const auto all = std::ssize(probe.parameters);
    const auto moved = std::ranges::count(probe.parameters, true, &ParameterProbe::changed);
    const auto pulled = std::ranges::count_if(probe.parameters,
                                              [](const auto& each) { return each.gradient != 0; });
    const auto evidence = fmt::format(
        "a step at learning rate {:.3g} changes {} of {} parameters; {} of them have a gradient",
        probe.learning_rate, moved, all, pulled);
    const auto count = static_cast<double>(std::min(moved, pulled));
    if (count == 0) {
      diagnosis.failed(Verdict::frozen, "parameters of a step", count, 1, evidence);
    } else {
      diagnosis.passed("parameters of a step", count, 1, evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"frozen", [] { return std::make_unique<Frozen>(); }};

}  // namespace
}  // namespace lookback
