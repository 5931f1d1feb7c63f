#include "nn/attention/recorded_attention.h"

#include "autograd/grad_mode.h"
#include "autograd/ops/attention_weights.h"
#include "nn/fault/fault.h"

namespace lookback {
namespace {

class StreamingReplay final : public AttentionReplay {
 public:
  StreamingReplay(AttentionPieces recorded_pieces, Tensor recorded_log_sum_exp,
                  CausalMask recorded_mask)
      : pieces(std::move(recorded_pieces)),
        log_sum_exp(std::move(recorded_log_sum_exp)),
        mask(std::move(recorded_mask)) {}

  Tensor apply(const Tensor& values) const override {
    return attention_replay(pieces, log_sum_exp, values, mask);
  }

  std::vector<Tensor> tensors() const override {
    std::vector<Tensor> all{log_sum_exp, pieces.scales};
    all.insert(all.end(), pieces.q.begin(), pieces.q.end());
    all.insert(all.end(), pieces.k.begin(), pieces.k.end());
    return all;
  }

  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    const auto first_key = all.begin() + 2 + static_cast<std::ptrdiff_t>(pieces.q.size());
    AttentionPieces others{{all.begin() + 2, first_key}, {first_key, all.end()}, all[1]};
    return std::make_shared<StreamingReplay>(std::move(others), all[0], mask);
  }

 private:
  AttentionPieces pieces;
  Tensor log_sum_exp;
  CausalMask mask;
};

class KeptWeights final : public AttentionReplay {
 public:
  KeptWeights(Tensor kept_weights, CausalMask recorded_mask)
      : weights(std::move(kept_weights)), mask(std::move(recorded_mask)) {}

  Tensor apply(const Tensor& values) const override {
    return apply_attention_weights(weights, values, mask);
  }

  std::vector<Tensor> tensors() const override { return {weights}; }

  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    return std::make_shared<KeptWeights>(all[0], mask);
  }

 private:
  Tensor weights;
  CausalMask mask;
};

void trace_weights(const ForwardPass& pass, const Tensor& weights) {
  if (pass.options.trace != nullptr) pass.options.trace->attention_weights.push_back(weights);
}

RecordedAttention explicit_attention(const AttentionPieces& pieces, const Tensor& values,
                                     const ForwardPass& pass) {
  const auto weights = attention_weights(pieces, pass.mask);
  trace_weights(pass, weights);
  auto replay = replay_of_weights(weights, pass.mask);
  const auto output = replay->apply(values);
  if (pass.fault != nullptr) replay = pass.fault->replay(pieces, weights, pass.mask);
  return {output, std::move(replay)};
}

RecordedAttention streaming_attention(const AttentionPieces& pieces, const Tensor& values,
                                      const ForwardPass& pass) {
  if (pass.options.trace != nullptr) {
    const NoGrad no_grad;  // only to be looked at
    trace_weights(pass, attention_weights(pieces, pass.mask));
  }
  const auto [output, log_sum_exp] = attention(pieces, values, pass.mask);
  return {output, std::make_shared<StreamingReplay>(pieces, log_sum_exp, pass.mask)};
}

}  // namespace

std::shared_ptr<const AttentionReplay> replay_of_weights(const Tensor& weights,
                                                         const CausalMask& mask) {
  return std::make_shared<KeptWeights>(weights, mask);
}

RecordedAttention record_attention(const AttentionPieces& pieces, const Tensor& values,
                                   const ForwardPass& pass) {
  const bool streaming = pass.options.attention == AttentionPath::streaming;
  return streaming ? streaming_attention(pieces, values, pass)
                   : explicit_attention(pieces, values, pass);
}

}  // namespace lookback
