// The first tokens of a sequence alone, and with others behind them, in f64: what a token sees does
// not depend on how long its sequence is. (What later tokens say is the suffix swap's question.)
#include <algorithm>
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

class PrefixStability final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::paths_disagree; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const std::string name = "a sequence and its beginning";
    const auto tokens = std::min<std::int64_t>(subject.block_size, 24);
    if (tokens < 2) return;
    const auto llama = subject.model(DType::f64);
    const auto ids = subject.random_ids(1, tokens, 21);
    const auto whole = llama->logits(ids, subject.forward());
    const double size = largest_number(whole);
    if (!std::isfinite(size)) return diagnosis.left_out(name, "the logits are not finite");
    double largest = 0;
    std::int64_t worst = 1;
    for (const auto length : {std::int64_t{1}, tokens / 2, tokens - 1}) {
      const auto part = llama->logits(slice(ids, 1, 0, length), subject.forward());
      const double difference =
          largest_difference(slice(whole, 1, 0, length), part) / std::max(size, 1e-300);
      if (difference <= largest) continue;
      largest = difference;
      worst = length;
    }
    diagnosis.compared(
        Verdict::paths_disagree, name, "the same tokens alone", largest, thresholds::rounding,
        fmt::format(
            "logits of the first {} of {} tokens differ by {:.2g} of the largest from those "
            "of the same tokens alone{}",
            worst, tokens, largest,
            largest <= thresholds::rounding
                ? ""
                : ": what self_attn shows depends on the sequence's length"));
  }
};

const DiagnosisChecks::Add registered{"prefix_stability",
                                      [] { return std::make_unique<PrefixStability>(); }};

}  // namespace
}  // namespace lookback
