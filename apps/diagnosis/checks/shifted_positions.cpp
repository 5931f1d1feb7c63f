// A sequence as if it stood further behind: rotary positions are all shifted alike, and no
// weight may change, for scores are functions of distances. In f64.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/own_hooks.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"

namespace lookback {
namespace {

constexpr std::int64_t max_tokens = 16, most_shifted = 5;

class ShiftedPositions final : public OwnHooks {
 public:
  ShiftedPositions(const ModelHooks& own, std::int64_t shift) : OwnHooks(own), shift_(shift) {}

  std::int64_t rotary_position(std::int64_t position) const override {
    return own().rotary_position(position) + shift_;
  }

 private:
  std::int64_t shift_;
};

class PositionShift final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_the_named_model; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const std::string name = "weights of shifted positions";
    const auto tokens = std::min(subject.block_size, max_tokens);
    const auto shift = std::min(subject.config.max_position_embeddings - tokens, most_shifted);
    if (shift == 0) return;
    const auto llama = subject.model(DType::f64);
    const ShiftedPositions shifted(llama->model.hooks(), shift);
    const auto ids = subject.random_ids(1, tokens, 23);
    // The rotary tables grow with the longest sequence so far.
    llama->logits(subject.random_ids(1, tokens + shift, 24), subject.forward());
    auto forward = subject.forward();
    Trace here, behind;
    forward.trace = &here;
    llama->logits(ids, forward);
    forward.trace = &behind;
    forward.hooks = &shifted;
    llama->logits(ids, forward);
    double largest = 0;
    for (std::size_t l = 0; l < here.attention_weights.size(); ++l) {
      const double size = largest_number(here.attention_weights[l]);
      if (!std::isfinite(size)) return diagnosis.left_out(name, "the weights are not finite");
      const double difference =
          largest_difference(here.attention_weights[l], behind.attention_weights[l]) /
          std::max(size, 1e-300);
      largest = std::max(largest, difference);
      if (difference <= thresholds::rounding) continue;
      return diagnosis.failed(
          Verdict::not_the_named_model, name, difference, thresholds::rounding,
          fmt::format("model.layers.{}.self_attn: weights change by {:.2g} where all positions are "
                      "{} further: its scores hang on where a sequence stands, not on distances",
                      l, difference, shift));
    }
    diagnosis.passed(
        name, largest, thresholds::rounding,
        fmt::format("weights change by {:.2g} where all positions are {} further", largest, shift));
  }
};

const DiagnosisChecks::Add registered{"shifted_positions",
                                      [] { return std::make_unique<PositionShift>(); }};

}  // namespace
}  // namespace lookback
