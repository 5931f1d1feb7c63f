// The first key stands in the list of each query's keys twice, as where a global token also falls
// into the window: it has two shares of the softmax.
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/attention_weights.h"
#include "autograd/ops/binary.h"
#include "autograd/ops/cat.h"
#include "autograd/ops/slice.h"
#include "autograd/ops/sum.h"

namespace lookback {
namespace {

class KeyCountedTwice final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "every query counts the first key of the sequence twice";
  }
  Verdict verdict() const override { return Verdict::not_the_named_model; }
  Changes changes() const override { return forward_changes({Change::scaled_logits}); }
  MaskedWeights attention(const AttentionPieces& pieces, const CausalMask& mask) const override {
    const auto once = attention_weights(pieces, mask);
    const auto twice = cat({slice(once, -1, 0, 1) * 2, slice(once, -1, 1, once.size(-1))}, -1);
    return {twice / sum(twice, {-1}, KeepDims::yes), mask};
  }
};

const AddFault<KeyCountedTwice> registered{"key_counted_twice"};

}  // namespace
}  // namespace lookback
