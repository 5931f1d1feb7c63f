// Grouped keys are repeated as a whole (0 1 0 1) in place of each (0 0 1 1): query head h reads the
// keys of head h mod G, and still the values of head floor(h / r).
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/cat.h"

namespace lookback {
namespace {

class TiledKeyHeads final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "query head h reads key head h mod G, not floor(h / r)";
  }
  Verdict verdict() const override { return Verdict::not_the_named_model; }
  Changes changes() const override { return forward_changes(); }
  std::string_view missing_in(const LlamaConfig& config) const override {
    const auto groups = config.num_key_value_heads;
    return 1 < groups && groups < config.num_attention_heads
               ? ""
               : "num_key_value_heads above 1 and below num_attention_heads";
  }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    auto tiled = pieces;
    for (std::size_t p = 0; p < tiled.k.size(); ++p) {
      const auto times = tiled.q[p].size(2) / tiled.k[p].size(2);
      tiled.k[p] = cat(std::vector<Tensor>(static_cast<std::size_t>(times), pieces.k[p]), 2);
    }
    return {attention_weights(tiled, mask), mask};
  }
};

const AddFault<TiledKeyHeads> registered{"tiled_key_heads"};

}  // namespace
}  // namespace lookback
