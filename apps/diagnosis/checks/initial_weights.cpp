// The weights that a run of this config begins with: their spread, that no two tensors share what
// was drawn, and that another seed gives others (initial_weights.h).
#include "apps/diagnosis/initial_weights.h"
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/ladder.h"

namespace lookback {
namespace {

class InitialWeights final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_the_named_model; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "initial weights";
    if (subject.has_weights()) return diagnosis.not_applicable(name, "the weights are given");
    if (subject.config.initializer_range == 0)
      return diagnosis.not_applicable(name, "initializer_range is 0: all begin equal");
    const auto llama = subject.fresh_model();
    hold_to_their_spread(*llama, diagnosis);
    hold_apart(*llama, diagnosis);
    const auto small = shrunk(subject);
    auto other = small;
    ++other.seed;
    hold_apart(*small.fresh_model(), small.seed, *other.fresh_model(), other.seed, diagnosis);
  }
};

const DiagnosisChecks::Add registered{"initial_weights",
                                      [] { return std::make_unique<InitialWeights>(); }};

}  // namespace
}  // namespace lookback
