// How far one optimizer step moves the weights, against their size.
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/step_probe.h"
#include "apps/diagnosis/thresholds.h"

namespace lookback {
namespace {

class StepSize final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::exploding_gradient; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "size of a step";
    const auto probe = probe_step(subject);
    if (probe.matrices == 0) return diagnosis.left_out(name, "all weights are zero");
    const double ratio = probe.moved / probe.matrices;
    const auto evidence =
        fmt::format("a step at learning rate {:.3g} moves the weights by {:.2g} of their norm",
                    probe.learning_rate, ratio);
    if (ratio > thresholds::step_to_weights) {
      diagnosis.failed(Verdict::exploding_gradient, name, ratio, thresholds::step_to_weights,
                       evidence);
    } else {
      diagnosis.passed(name, ratio, thresholds::step_to_weights, evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"step_size", [] { return std::make_unique<StepSize>(); }};

}  // namespace
}  // namespace lookback
