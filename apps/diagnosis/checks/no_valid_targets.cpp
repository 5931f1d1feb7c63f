// Batches in which no target counts.
#include <algorithm>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/train/token_tensors.h"
#include "autograd/grad_mode.h"
#include "runtime/transfer.h"

namespace lookback {
namespace {

// Batches of training and validation each: what is masked by documents shows in a few.
constexpr std::int64_t batches_of_each = 8;

class NoValidTargets final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::no_valid_targets; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const auto llama = subject.fresh_model();
    count("targets in training", *llama, training(subject), diagnosis);
    const NoGrad no_grad;  // as an evaluation
    count("targets in validation", *llama, validation(subject), diagnosis);
  }

 private:
  static std::vector<TokenBatch> training(const Subject& subject) {
    std::vector<TokenBatch> batches;
    for (std::int64_t step = 0; step < batches_of_each; ++step)
      batches.push_back(subject.batch(step));
    return batches;
  }

  static std::vector<TokenBatch> validation(const Subject& subject) {
    const auto& source = *subject.data.validation;
    const auto rows = source.evaluation_rows(subject.block_size);
    std::vector<TokenBatch> batches;
    for (std::int64_t row = 0; row < rows.value_or(batches_of_each * subject.batch_size) &&
                               std::ssize(batches) < batches_of_each;
         row += subject.batch_size) {
      batches.push_back(source.evaluation_batch(row, subject.batch_size, subject.block_size));
    }
    return batches;
  }

  static void count(const std::string& name, const Llama& llama,
                    const std::vector<TokenBatch>& batches, Diagnosis& diagnosis) {
    std::int64_t without = 0;
    for (const auto& batch : batches) {
      const auto [ids, targets] = token_tensors(batch);
      const auto asked = on_host(llama.model.hooks().targets(ids, targets));
      without += std::ranges::all_of(asked.elements<std::int64_t>(),
                                     [](auto target) { return target == ignored_target; });
    }
    const auto share = static_cast<double>(without) / static_cast<double>(batches.size());
    const auto evidence =
        fmt::format("{} of {} batches have no target that counts", without, batches.size());
    if (without > 0) {
      diagnosis.failed(Verdict::no_valid_targets, name, share, 0, evidence);
    } else {
      diagnosis.passed(name, share, 0, evidence);
    }
  }
};

const DiagnosisChecks::Add registered{"no_valid_targets",
                                      [] { return std::make_unique<NoValidTargets>(); }};

}  // namespace
}  // namespace lookback
