// Sequences together in a batch, and each alone, in f64: the same logits but for rounding.
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

constexpr std::int64_t rows = 3, max_tokens = 24;  // more only take longer

class RowsTogether final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::rows_mixed; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const std::string name = "sequences together and alone";
    const auto llama = subject.model(DType::f64);
    const auto ids = subject.random_ids(rows, std::min(subject.block_size, max_tokens), 20);
    auto forward = subject.forward();
    Trace together;
    forward.trace = &together;
    const auto logits = llama->logits(ids, forward);
    if (!std::isfinite(largest_number(logits))) {
      return diagnosis.left_out(name, "the logits are not finite");
    }
    double largest = 0;
    std::int64_t worst = 0;
    std::string place = "lm_head";
    for (std::int64_t row = 0; row < rows; ++row) {
      Trace alone;
      forward.trace = &alone;
      const auto own = llama->logits(slice(ids, 0, row, row + 1), forward);
      const double difference = relative(slice(logits, 0, row, row + 1), own);
      if (difference <= largest) continue;
      largest = difference;
      worst = row;
      place = first_difference(together, alone, row);
    }
    const auto evidence = fmt::format(
        "logits of row {} of {} differ by {:.2g} of the largest from those of the sequence alone{}",
        worst, rows, largest, largest > thresholds::rounding ? ", first in " + place : "");
    diagnosis.compared(Verdict::rows_mixed, name, "each sequence alone", largest,
                       thresholds::rounding, evidence);
  }

 private:
  static double relative(const Tensor& a, const Tensor& b) {
    return largest_difference(a, b) / std::max(largest_number(b), 1e-300);
  }

  static std::string first_difference(const Trace& together, const Trace& alone, std::int64_t row) {
    const auto differs = [row](const Tensor& all, const Tensor& one) {
      return relative(slice(all, 0, row, row + 1), one) > thresholds::rounding;
    };
    for (std::size_t l = 0; l < alone.attention_weights.size(); ++l) {
      if (differs(together.hidden_states[l], alone.hidden_states[l])) {
        return fmt::format("model.layers.{}", l - 1);
      }
      if (differs(together.attention_weights[l], alone.attention_weights[l])) {
        return fmt::format("attention weights of model.layers.{}.self_attn", l);
      }
    }
    return "the last layer or behind it";
  }
};

const DiagnosisChecks::Add registered{"rows_together",
                                      [] { return std::make_unique<RowsTogether>(); }};

}  // namespace
}  // namespace lookback
