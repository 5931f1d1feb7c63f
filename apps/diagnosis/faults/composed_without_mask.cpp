// dcmha's weights are made and composed of all pairs of tokens: the mask was to come first, and does
// not come at all.
#include "apps/diagnosis/faults/attention_of_type.h"
#include "apps/diagnosis/faults/everything_visible.h"
#include "apps/diagnosis/faults/fault.h"

namespace lookback {
namespace {

class ComposedWithoutMask final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "composed heads have weights at keys that the mask hides";
  }
  Verdict verdict() const override { return Verdict::causal_leak; }
  Changes changes() const override { return forward_changes({Change::decoded}); }
  std::string_view attention_mechanism() const override { return R"({"type": "dcmha"})"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return has_attention(config, "dcmha") ? "" : "attention_mechanism dcmha in every layer";
  }
  MaskedWeights composed(const AttentionPieces& pieces, const HeadMixing& mixing,
                         const CausalMask&) const override {
    const auto all = everything_visible();
    return {composed_attention_weights(pieces, mixing, all), all};
  }
};

const AddFault<ComposedWithoutMask> registered{"composed_without_mask"};

}  // namespace
}  // namespace lookback
