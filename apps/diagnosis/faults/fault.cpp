#include "apps/diagnosis/faults/fault.h"

#include <fmt/format.h>

#include "autograd/ops/attention_weights.h"
#include "autograd/ops/linear.h"
#include "nn/layer/combination_error.h"

namespace lookback {
namespace {

// Asks the fault, each time, for the weights to apply.
class FaultyReplay final : public AttentionReplay {
 public:
  FaultyReplay(const FaultInjection& fault, AttentionPieces recorded_pieces, MaskedWeights kept)
      : fault_(fault), pieces_(std::move(recorded_pieces)), recorded_(std::move(kept)) {}

  Tensor apply(const Tensor& values) const override {
    const auto [weights, mask] = fault_.attention_again(pieces_, recorded_);
    return apply_attention_weights(weights, values, mask);
  }

  std::vector<Tensor> tensors() const override {
    std::vector<Tensor> all{recorded_.weights};
    append_tensors(all, pieces_);
    return all;
  }

  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    return std::make_shared<FaultyReplay>(fault_, pieces_from(all, 1, pieces_),
                                          MaskedWeights{all[0], recorded_.mask});
  }

 private:
  const FaultInjection& fault_;
  AttentionPieces pieces_;
  MaskedWeights recorded_;
};

}  // namespace

std::shared_ptr<const AttentionReplay> FaultInjection::replay(const AttentionPieces& pieces,
                                                              const MaskedWeights& recorded) const {
  return std::make_shared<FaultyReplay>(*this, pieces, recorded);
}

CrossEntropyResult FaultInjection::loss(const Tensor& normed, const Tensor& vocabulary_weight,
                                        const Tensor& targets, Products products,
                                        const CrossEntropyOptions& options) const {
  return loss_of_logits(linear(normed, vocabulary_weight, {}, products), targets, options);
}

CrossEntropyResult FaultInjection::loss_of_logits(const Tensor& logits, const Tensor& targets,
                                                  const CrossEntropyOptions& options) const {
  return cross_entropy(logits, targets, options);
}

FaultInjection::Changes FaultInjection::forward_changes(const Changes& but) {
  using enum Change;
  Changes all{logits,  short_logits, scaled_logits, evaluated,
              decoded, Change::loss, step,          gradient};
  for (const auto each : but) all.erase(each);
  return all;
}

void check_possible(const FaultInjection& fault, std::string_view name, const LlamaConfig& config) {
  const bool too_much = fault.attention_mechanism().empty() && !config.attention.empty();
  const auto missing =
      too_much ? "plain attention, no attention_mechanism" : fault.missing_in(config);
  if (missing.empty()) return;
  throw CombinationError(fmt::format("[{}] {} cannot be made in this model: it needs {}",
                                     FaultInjection::family, name, missing));
}

void check_fault_of(const LlamaConfig& config) {
  if (!config.fault.empty()) check_possible(*Faults::make(config.fault), config.fault, config);
}

DataChoice data_of(const LlamaConfig& config, const DataChoice& given) {
  check_fault_of(config);
  return config.fault.empty() ? given : Faults::make(config.fault)->data(given);
}

TokenData read_by(const LlamaConfig& config, const TokenData& opened) {
  return config.fault.empty() ? opened : Faults::make(config.fault)->read(opened);
}

}  // namespace lookback
