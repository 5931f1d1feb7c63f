// Where an earlier layer runs again on another input, its weights, gates and experts are those of
// its own run: of what they made of the new values its output follows, whatever the new input is.
// In f64.
#include <algorithm>
#include <cmath>
#include <string>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/own_hooks.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/binary.h"
#include "autograd/scope.h"

namespace lookback {
namespace {

constexpr std::int64_t max_tokens = 16;

// Of the outputs of layers that run again: the largest change under another input, and where.
struct Seen {
  bool any = false;
  double largest = 0;
  std::string place;
};

class TwoInputs final : public OwnHooks {
 public:
  TwoInputs(const ModelHooks& own, Seen& seen) : OwnHooks(own), seen_(seen) {}

  Tensor output_again(const AttentionMechanism& attention, const Tensor& normed,
                      const Tensor& attended, const LayerRecord& record) const override {
    const auto output = own().output_again(attention, normed, attended, record);
    const auto other = own().output_again(attention, normed * normed, attended, record);
    const double difference =
        largest_difference(output, other) / std::max(largest_number(output), 1e-300);
    if (!seen_.any || !(difference <= seen_.largest)) {
      seen_ = {.any = true, .largest = difference, .place = *Scope::current()};
    }
    return output;
  }

 private:
  Seen& seen_;
};

class RecordedChoices final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_the_named_model; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const std::string name = "outputs of layers that run again";
    const auto llama = subject.model(DType::f64);
    Seen seen;
    const TwoInputs hooks(llama->model.hooks(), seen);
    auto forward = subject.forward();
    forward.hooks = &hooks;
    llama->logits(subject.random_ids(1, std::min(subject.block_size, max_tokens), 27), forward);
    if (!seen.any) return;
    if (!std::isfinite(seen.largest)) {
      return diagnosis.left_out(name, "the outputs are not finite");
    }
    if (seen.largest > thresholds::rounding) {
      return diagnosis.failed(
          Verdict::not_the_named_model, name, seen.largest, thresholds::rounding,
          fmt::format("{}: its output changes by {:.2g} with the new input where all that its "
                      "weights were applied to is the same: gates or experts are not those of its "
                      "own run",
                      seen.place, seen.largest));
    }
    diagnosis.passed(name, seen.largest, thresholds::rounding,
                     "layers that run again have the gates and experts of their own run");
  }
};

const DiagnosisChecks::Add registered{"recorded_choices",
                                      [] { return std::make_unique<RecordedChoices>(); }};

}  // namespace
}  // namespace lookback
