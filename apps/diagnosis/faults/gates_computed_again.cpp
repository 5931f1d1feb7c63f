// A layer that runs again on another input chooses heads or experts for that input, in place of
// those of its own run.
#include "apps/diagnosis/faults/attention_of_type.h"
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"
#include "nn/layer/attention_mechanism.h"

namespace lookback {
namespace {

class GatesComputedAgain final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "layers that run again have gates of the new input, not of their own run";
  }
  Verdict verdict() const override { return Verdict::not_the_named_model; }
  Changes changes() const override { return forward_changes(); }
  std::string_view attention_mechanism() const override {
    return R"({"type": "moh", "num_shared_heads": 1, "num_selected_heads": 2})";
  }
  std::string_view preset() const override { return "method1"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const bool routed = has_attention(config, "moh") || has_attention(config, "moa");
    return routed ? without_recomputation(config) : "attention_mechanism moh or moa in every layer";
  }
  Tensor output_again(const AttentionMechanism& attention, const Tensor& normed,
                      const Tensor& attended, const LayerRecord& record) const override {
    auto of_new_input = record;
    of_new_input.of_attention = attention.choice(normed);
    return attention.output(attended, of_new_input);
  }
};

const AddFault<GatesComputedAgain> registered{"gates_computed_again"};

}  // namespace
}  // namespace lookback
