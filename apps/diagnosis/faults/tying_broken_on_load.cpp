// The projection to the vocabulary is filled from the embedding once, and is a tensor of its own
// from then on.
#include "apps/diagnosis/faults/fault.h"
#include "autograd/ops/copy_of.h"

namespace lookback {
namespace {

class TyingBrokenOnLoad final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a tied projection that is a copy of the embedding, made once";
  }
  Verdict verdict() const override { return Verdict::broken_tying; }
  Changes changes() const override { return {Change::gradient}; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return config.tie_word_embeddings ? "" : "tie_word_embeddings";
  }
  Tensor vocabulary_weight(const Tensor& healthy) const override {
    if (!own_.defined()) own_ = copy_of(healthy);
    return own_;
  }

 private:
  mutable Tensor own_;
};

const AddFault<TyingBrokenOnLoad> registered{"tying_broken_on_load"};

}  // namespace
}  // namespace lookback
