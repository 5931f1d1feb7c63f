// The norms of latents have rms_norm_eps for their epsilon, which is the other norms'.
#include "apps/diagnosis/faults/attention_of_type.h"
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/rms_norm.h"

namespace lookback {
namespace {

class ModelEpsilonInLatents final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "the norms of latents have the epsilon of the model's other norms";
  }
  Verdict verdict() const override { return Verdict::not_the_named_model; }
  Changes changes() const override { return forward_changes(); }
  std::string_view attention_mechanism() const override {
    return R"({"type": "mla", "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8,)"
           R"( "qk_rope_head_dim": 4, "v_head_dim": 8})";
  }
  std::string_view missing_in(const LlamaConfig& config) const override {
    constexpr double of_latents = 1e-6;
    return has_attention(config, "mla") && config.rms_norm_eps != of_latents
               ? ""
               : "attention_mechanism mla in every layer, and rms_norm_eps other than 1e-6";
  }
  Tensor latent_norm(const RmsNorm& norm, const Tensor& latent,
                     double rms_norm_eps) const override {
    return rms_norm(latent, norm.weight, rms_norm_eps);
  }
};

const AddFault<ModelEpsilonInLatents> registered{"model_epsilon_in_latents"};

}  // namespace
}  // namespace lookback
