// The same sequences as one micro-batch and as two with very different numbers of targets: one loss
// and one gradient, in f64.
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "apps/train/accumulate_gradients.h"
#include "autograd/gradient.h"
#include "autograd/ops/binary.h"

namespace lookback {
namespace {

TokenBatch rows_of(const TokenBatch& batch, std::int64_t begin, std::int64_t end) {
  const auto part = [&](const std::vector<std::int64_t>& all) {
    return std::vector<std::int64_t>(all.begin() + begin * batch.columns,
                                     all.begin() + end * batch.columns);
  };
  return {.rows = end - begin,
          .columns = batch.columns,
          .inputs = part(batch.inputs),
          .targets = part(batch.targets)};
}

struct Step {
  double loss = 0;
  std::vector<Tensor> gradients;
};

Step step_of(const Subject& subject, const Llama& llama,
             const std::vector<TokenBatch>& micro_batches) {
  clear_gradients(llama.parameters());
  const auto measures = accumulate_gradients(llama, micro_batches, subject.forward());
  Step step{.loss = measures.loss, .gradients = {}};
  for (const auto& parameter : llama.parameters()) {
    const auto grad = gradient(parameter.tensor);
    const auto none = zeros(parameter.tensor.shape(), DType::f64);
    step.gradients.push_back((grad.defined() ? grad : none) * measures.loss_scale);
  }
  return step;
}

// NaN counts as the largest.
double difference(const Step& a, const Step& b) {
  double largest = 0, size = 0;
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    largest = std::fmax(largest, largest_difference(a.gradients[i], b.gradients[i]));
    size = std::fmax(size, largest_number(a.gradients[i]));
  }
  const double of_loss = std::fabs(a.loss - b.loss) / std::fmax(std::fabs(a.loss), 1e-300);
  return std::fmax(of_loss, largest / std::fmax(size, 1e-300));
}

class AccumulationMismatch final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::accumulation_mismatch; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const std::string name = "micro-batches of one batch";
    const auto llama = subject.model(DType::f64);
    auto batch = subject.batch();
    // All but the last target of the first row are ignored.
    for (std::int64_t t = 0; t + 1 < batch.columns; ++t)
      batch.targets[static_cast<std::size_t>(t)] = ignored_target;
    const auto whole = step_of(subject, *llama, {batch});
    const auto parts =
        step_of(subject, *llama, {rows_of(batch, 0, 1), rows_of(batch, 1, batch.rows)});
    const double found = difference(whole, parts);
    const auto evidence = fmt::format(
        "the loss is {:.6f} in one micro-batch and {:.6f} in two of unequal targets; loss or "
        "gradient differ by {:.2g}",
        whole.loss, parts.loss, found);
    diagnosis.compared(Verdict::accumulation_mismatch, name, "the same rows in one micro-batch",
                       found, thresholds::accumulation_rounding, evidence);
  }
};

const DiagnosisChecks::Add registered{"accumulation_mismatch",
                                      [] { return std::make_unique<AccumulationMismatch>(); }};

}  // namespace
}  // namespace lookback
