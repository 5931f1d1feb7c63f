// Validation data that hold training data: spans of fifty tokens that stand in both.
#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/diagnosis/token_spans.h"

namespace lookback {
namespace {

// Of an endless source so many are drawn; a text is read whole up to this.
constexpr std::int64_t drawn_tokens = 1 << 16, max_tokens = 1 << 24;

class Contamination final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::contamination; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "training data in validation";
    const auto& [training, validation] = subject.data;
    TokenSpans seen(thresholds::shared_span_tokens);
    seen.add(training_tokens(*training, training->tokens() ? max_tokens : drawn_tokens));
    const auto [spans, found] = seen.look_up(
        evaluation_tokens(*validation, validation->tokens() ? max_tokens : drawn_tokens));
    if (spans == 0) {
      return diagnosis.not_applicable(
          name, fmt::format("validation has no span of {} tokens", thresholds::shared_span_tokens));
    }
    const double share = static_cast<double>(found) / static_cast<double>(spans);
    const auto evidence =
        fmt::format("{:.2f} % of the spans of {} tokens in validation stand in the training data",
                    100 * share, thresholds::shared_span_tokens);
    if (share > thresholds::shared_spans) {
      diagnosis.failed(Verdict::contamination, name, share, thresholds::shared_spans, evidence);
    } else {
      diagnosis.passed(name, share, thresholds::shared_spans, evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"contamination",
                                      [] { return std::make_unique<Contamination>(); }};

}  // namespace
}  // namespace lookback
