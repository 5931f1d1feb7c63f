// The weights as they lie: numbers that are NaN or infinite, used by these data or not, and rows of
// the embedding that are 0.
#include "apps/model/finite_weights.h"

#include <set>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/zero_weights.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

class FiniteWeights final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::non_finite; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    if (!subject.has_weights()) return;
    const auto llama = subject.model();
    const std::string name = "weights as they lie";
    const auto found = non_finite_weights(*llama);
    const auto count = static_cast<double>(found.size());
    if (found.empty()) {
      diagnosis.passed(name, count, 0, "every weight is a finite number");
    } else {
      diagnosis.failed(Verdict::non_finite, name, count, 0, in_words(found));
    }
    rows_of_zeros(subject, *llama, diagnosis);
  }

 private:
  // A norm turns a row of zeros into zeros, and its gradient into one that is larger by
  // 1 / sqrt(epsilon).
  static void rows_of_zeros(const Subject& subject, const Llama& llama, Diagnosis& diagnosis) {
    constexpr std::int64_t steps = 16;
    const NoGrad no_grad;
    std::set<std::int64_t> used;
    for (std::int64_t step = 0; step < steps; ++step) {
      const auto batch = subject.batch(step);
      used.insert(batch.inputs.begin(), batch.inputs.end());
    }
    const auto& embedding = llama.model.embed_tokens.weight;
    std::vector<std::string> rows;
    for (const auto id : used) {
      if (largest_number(slice(embedding, 0, id, id + 1)) == 0) rows.push_back(std::to_string(id));
    }
    if (rows.empty()) return;
    diagnosis.notes.push_back(fmt::format(
        "rows of model.embed_tokens.weight are 0, and the training data hold their tokens: {}; "
        "behind a norm their first gradients are hundreds of times as large as others",
        listed(rows)));
  }
};

const DiagnosisChecks::Add registered{"finite_weights",
                                      [] { return std::make_unique<FiniteWeights>(); }};

}  // namespace
}  // namespace lookback
