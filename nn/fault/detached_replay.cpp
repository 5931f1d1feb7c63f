// Earlier layers run again with their recorded attention weights cut off the tape: the values are
// right, and no gradient goes back through them.
#include "nn/fault/fault.h"
#include "nn/fault/needs.h"

namespace lookback {
namespace {

class DetachedReplay final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "earlier layers run again with attention weights that no gradient goes back through";
  }
  std::string_view verdict() const override { return "severed-path"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_recomputation(config);
  }
  MaskedWeights attention_again(const AttentionPieces&,
                                const MaskedWeights& recorded) const override {
    return {recorded.weights.detach(), recorded.mask};
  }
};

const Faults::Add registered{"detached_replay", [] { return std::make_unique<DetachedReplay>(); }};

}  // namespace
}  // namespace lookback
