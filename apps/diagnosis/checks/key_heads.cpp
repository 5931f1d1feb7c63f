// Which key head a query head reads: where a row of one key head's projection is another, the weights of its
// own group of query heads change, and of no other head. In f64, in layer 0.
#include <algorithm>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/weight_scale.h"
#include "autograd/grad_mode.h"
#include "autograd/ops/slice.h"
#include "kernels/binary.h"
#include "nn/layer/attention_options.h"

namespace lookback {
namespace {

class KeyHeads final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_the_named_model; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const auto& config = subject.config;
    const auto groups = config.num_key_value_heads;
    const auto heads = config.num_attention_heads;
    const auto options = attention_of(config, 0);
    // Composed heads read all others; a norm over the whole projection is one of all key heads.
    const bool mixed = options->keeps_weights() ||
                       options->qk_norm == QueryKeyNormKind::layer_norm ||
                       options->qk_norm == QueryKeyNormKind::rms_norm;
    const auto tokens = std::min<std::int64_t>(subject.block_size, 8);
    if (groups == 1 || groups == heads || mixed || tokens < 2) return;
    const auto llama = subject.fresh_model(DType::f64);
    const auto ids = subject.random_ids(1, tokens, 25);
    const auto before = weights(subject, *llama, ids);
    for (std::int64_t group = 0; group < groups; ++group) {
      double_key(*llama, group, groups);
      const auto after = weights(subject, *llama, ids);
      halve_key(*llama, group, groups);
      for (std::int64_t head = 0; head < heads; ++head) {
        const bool reads = largest_difference(slice(before, 1, head, head + 1),
                                              slice(after, 1, head, head + 1)) != 0;
        if (reads == (head / (heads / groups) == group)) continue;
        return diagnosis.failed(
            Verdict::not_the_named_model, name, 1, 0,
            fmt::format("model.layers.0.self_attn: query head {} {} key head {}: of {} query heads "
                        "{} after one another share each of {}",
                        head, reads ? "reads" : "does not read", group, heads, heads / groups,
                        groups));
      }
    }
    diagnosis.passed(name, 0, 0, "each query head reads the key head of its own group");
  }

 private:
  static constexpr const char* name = "key heads of query heads";

  static Tensor weights(const Subject& subject, const Llama& llama, const Tensor& ids) {
    Trace trace;
    auto forward = subject.forward();
    forward.trace = &trace;
    llama.logits(ids, forward);
    return trace.attention_weights.front();
  }

  static void scale_key(const Llama& llama, std::int64_t group, std::int64_t groups,
                        double factor) {
    const auto keys = key_weights(llama);
    for (const auto& [parameter, tensor, initial] : llama.parameters()) {
      if (!parameter.starts_with("model.layers.0.") || !keys.contains(parameter)) continue;
      const auto row = group * tensor.size(0) / groups;  // one: a norm per head does not undo it
      const auto part = slice(tensor, 0, row, row + 1);
      kernels::affine_forward(part.backend(), {.x = part, .y = part, .scale = factor, .shift = 0});
      tensor.storage()->bump_version();
    }
  }
  static void double_key(const Llama& llama, std::int64_t group, std::int64_t groups) {
    scale_key(llama, group, groups, 2);
  }
  static void halve_key(const Llama& llama, std::int64_t group, std::int64_t groups) {
    scale_key(llama, group, groups, 0.5);
  }
};

const DiagnosisChecks::Add registered{"key_heads", [] { return std::make_unique<KeyHeads>(); }};

}  // namespace
}  // namespace lookback
