// The projection to the vocabulary is filled from the embedding once, and is a tensor of its own
// from then on.
#include "autograd/ops/copy_of.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class TyingBrokenOnLoad final : public FaultInjection {
 public:
  std::string_view description() const override {
    return "a tied projection that is a copy of the embedding, made once";
  }
  std::string_view verdict() const override { return "broken-tying"; }
  std::string_view missing_in(const LlamaConfig& config) const override {
    return config.tie_word_embeddings ? "" : "tie_word_embeddings";
  }
  Tensor vocabulary_weight(const Tensor& healthy) const override {
    if (!own.defined()) own = copy_of(healthy);
    return own;
  }

 private:
  mutable Tensor own;
};

const Faults::Add registered{"tying_broken_on_load",
                             [] { return std::make_unique<TyingBrokenOnLoad>(); }};

}  // namespace
}  // namespace lookback
