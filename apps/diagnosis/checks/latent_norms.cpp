// What rms_norm_eps may decide of a layer's attention: its input, and norms on queries and keys
// that have that epsilon by name. With the same input another rms_norm_eps must leave all other
// weights as they are, for norms of latents have an epsilon of their own. In f64.
#include <algorithm>
#include <cmath>
#include <map>

#include "apps/diagnosis/diagnosis_check.h"
#include "apps/diagnosis/own_hooks.h"
#include "apps/diagnosis/tensor_numbers.h"
#include "apps/diagnosis/thresholds.h"
#include "autograd/grad_mode.h"
#include "nn/layer/attention_options.h"

namespace lookback {
namespace {

constexpr std::int64_t max_tokens = 16;
constexpr double times = 100;

// Every layer's attention gets the input that it got in the first pass that asked.
class SameInputs final : public OwnHooks {
 public:
  using Inputs = std::map<std::int64_t, Tensor>;
  SameInputs(const ModelHooks& own, Inputs& inputs) : OwnHooks(own), inputs_(inputs) {}

  Tensor input_norm(std::int64_t layer, const RmsNorm& norm, const Tensor& x,
                    const Tensor& normed) const override {
    const auto own_input = own().input_norm(layer, norm, x, normed);
    return inputs_.try_emplace(layer, own_input).first->second;
  }

 private:
  Inputs& inputs_;
};

class LatentNorms final : public DiagnosisCheck {
 public:
  Verdict looks_for() const override { return Verdict::not_the_named_model; }
  void run(const Subject& subject, Diagnosis& diagnosis) const override {
    const NoGrad no_grad;
    const std::string name = "weights under another rms_norm_eps";
    auto other = subject;
    other.config.rms_norm_eps *= times;
    SameInputs::Inputs inputs;
    const auto here = weights(subject, inputs), there = weights(other, inputs);
    double largest = 0;
    for (std::size_t l = 0; l < here.size(); ++l) {
      if (is_normed(*attention_of(subject.config, static_cast<std::int64_t>(l)))) continue;
      const double size = largest_number(here[l]);
      if (!std::isfinite(size)) return diagnosis.left_out(name, "the weights are not finite");
      const double difference = largest_difference(here[l], there[l]) / std::max(size, 1e-300);
      largest = std::max(largest, difference);
      if (difference <= thresholds::rounding) continue;
      return diagnosis.failed(
          Verdict::not_the_named_model, name, difference, thresholds::rounding,
          fmt::format("model.layers.{}.self_attn: of one input its weights change by {:.2g} where "
                      "rms_norm_eps is {} times as large: a norm inside has the model's epsilon "
                      "in place of its own",
                      l, difference, times));
    }
    diagnosis.passed(name, largest, thresholds::rounding,
                     "of one input the weights are the same under another rms_norm_eps");
  }

 private:
  // Whether queries and keys have norms with the model's epsilon.
  static bool is_normed(const AttentionOptions& options) {
    return options.qk_norm == QueryKeyNormKind::rms_norm ||
           options.qk_norm == QueryKeyNormKind::rms_norm_per_head;
  }

  static std::vector<Tensor> weights(const Subject& subject, SameInputs::Inputs& inputs) {
    const auto llama = subject.fresh_model(DType::f64);
    const SameInputs hooks(llama->model.hooks(), inputs);
    Trace trace;
    auto forward = subject.forward();
    forward.trace = &trace;
    forward.hooks = &hooks;
    llama->logits(subject.random_ids(1, std::min(subject.block_size, max_tokens), 26), forward);
    return trace.attention_weights;
  }
};

const DiagnosisChecks::Add registered{"latent_norms",
                                      [] { return std::make_unique<LatentNorms>(); }};

}  // namespace
}  // namespace lookback
