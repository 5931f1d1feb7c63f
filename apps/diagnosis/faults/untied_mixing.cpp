// A collaborative head's mixing number of one column that its rotary partner does not share: scores
// then hang on absolute positions.
#include "apps/diagnosis/faults/attention_of_type.h"
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/slice.h"

namespace lookback {
namespace {

class UntiedMixing final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a mixing number of collaborative heads that a rotary pair does not share";
  }
  Verdict verdict() const override { return Verdict::not_the_named_model; }
  Changes changes() const override { return forward_changes(); }
  std::string_view attention_mechanism() const override {
    return R"({"type": "collaborative", "key_query_dim": 16})";
  }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const bool turned = has_attention(config, "collaborative") &&
                        std::ranges::all_of(config.attention, [](const auto& each) {
                          return each.options->positions == Positions::rope;
                        });
    return turned ? "" : "attention_mechanism collaborative with rotary positions in every layer";
  }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    auto untied = pieces;
    for (auto& query : untied.q) {
      query = cat({slice(query, -1, 0, 1) * 3, slice(query, -1, 1, query.size(-1))}, -1);
    }
    return {attention_weights(untied, mask), mask};
  }
};

const AddFault<UntiedMixing> registered{"untied_mixing"};

}  // namespace
}  // namespace lookback
