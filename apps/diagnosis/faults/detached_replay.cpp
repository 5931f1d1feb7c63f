// Earlier layers run again with their recorded attention weights cut off the tape: the values are
// right, and no gradient goes back through them.
#include "apps/diagnosis/faults/fault.h"
#include "apps/diagnosis/faults/needs.h"

namespace lookback {
namespace {

class DetachedReplay final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "earlier layers run again with attention weights that no gradient goes back through";
  }
  Verdict verdict() const override { return Verdict::severed_path; }
  Changes changes() const override { return {Change::gradient}; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return without_recomputation(config);
  }
  MaskedWeights attention_again(const AttentionPieces&,
                                const MaskedWeights& recorded) const override {
    return {recorded.weights.detach(), recorded.mask};
  }
};

const AddFault<DetachedReplay> registered{"detached_replay"};

}  // namespace
}  // namespace lookback
