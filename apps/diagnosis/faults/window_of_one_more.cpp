// sliding_window counts the keys before the query, and the query itself beside them.
#include "apps/diagnosis/faults/attention_of_type.h"
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/attention_weights.h"

namespace lookback {
namespace {

class WindowOfOneMore final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a sliding_window of w that shows w + 1 keys";
  }
  Verdict verdict() const override { return Verdict::not_the_named_model; }
  Changes changes() const override { return forward_changes({Change::short_logits}); }
  std::string_view attention_mechanism() const override {
    return R"({"pattern": {"sliding_window": 8}})";
  }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const bool windowed = has_attention(config, AttentionOptions::default_type) &&
                          std::ranges::all_of(config.attention, [](const auto& each) {
                            return !each.options->pattern.empty();
                          });
    return windowed ? "" : "attention_mechanism causal with a pattern in every layer";
  }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    auto longer = mask;
    ++longer.window;
    return {attention_weights(pieces, longer), longer};
  }
};

const AddFault<WindowOfOneMore> registered{"window_of_one_more"};

}  // namespace
}  // namespace lookback
