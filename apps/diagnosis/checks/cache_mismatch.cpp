// Decoding with a cache against the full forward pass, in f64: the same logits but for rounding.
#include <cmath>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

constexpr std::int64_t max_tokens = 24;  // more only take longer: every position is decoded alike

class CacheMismatch final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::cache_mismatch; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const auto llama = subject.model(DType::f64);
    const auto tokens = std::min(subject.block_size, max_tokens);
    const auto ids = subject.random_ids(2, tokens);
    for (const auto path : {AttentionPath::streaming, AttentionPath::explicit_weights}) {
      compare(*llama, ids, path, diagnosis);
      if (!subject.config.fault.empty()) return;  // a fault has one path
    }
  }

 private:
  static void compare(const Llama& llama, const Tensor& ids, AttentionPath path,
                      Diagnosis& diagnosis) {
    const auto name = path == AttentionPath::streaming ? "cached decoding, streaming"
                                                       : "cached decoding, explicit weights";
    const auto full = llama.logits(ids, {.attention = path});
    const auto batch = ids.size(0), tokens = ids.size(1), prompt = (tokens + 1) / 2;
    KeyValueCache cache(batch, tokens, DType::f64);
    double largest = 0;
    std::int64_t worst = 0;
    for (std::int64_t begin = 0; begin < tokens;) {
      const auto end = begin == 0 ? prompt : begin + 1;
      const auto part =
          llama.logits(slice(ids, 1, begin, end), {.attention = path, .cache = &cache});
      const double difference = largest_difference(part, slice(full, 1, begin, end));
      if (!(difference <= largest)) {
        largest = difference;
        worst = begin;
      }
      begin = end;
    }
    if (!std::isfinite(largest_number(full))) {
      return diagnosis.left_out(name, "the logits are not finite");
    }
    const double relative = largest / std::max(largest_number(full), 1e-300);
    const auto evidence = fmt::format(
        "logits of a prompt of {} tokens and {} decoded ones differ from the full pass by {:.2g} "
        "of the largest logit, most from position {}",
        prompt, tokens - prompt, relative, worst);
    diagnosis.compared(Verdict::cache_mismatch, name, "the full pass", relative,
                       thresholds::cache_rounding, evidence);
  }
};

const DiagnosisChecks::Add registered{"cache_mismatch",
                                      [] { return std::make_unique<CacheMismatch>(); }};

}  // namespace
}  // namespace lookback
