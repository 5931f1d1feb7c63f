#include "nn/layer/recorded_attention.h"

#include "autograd/grad_mode.h"
#include "autograd/mask_watch.h"
#include "autograd/ops/attention_weights.h"
#include "nn/layer/model_hooks.h"

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
    std::vector<Tensor> all{log_sum_exp};
    append_tensors(all, pieces);
    return all;
  }

  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    return std::make_shared<StreamingReplay>(pieces_from(all, 1), all[0], mask);
  }

 private:
  AttentionPieces pieces;
  Tensor log_sum_exp;
  CausalMask mask;
};

class KeptWeights final : public AttentionReplay {
 public:
  explicit KeptWeights(MaskedWeights kept) : recorded(std::move(kept)) {}

  Tensor apply(const Tensor& values) const override {
    return apply_attention_weights(recorded.weights, values, recorded.mask);
  }

  std::vector<Tensor> tensors() const override { return {recorded.weights}; }

  std::shared_ptr<const AttentionReplay> with(const std::vector<Tensor>& all) const override {
    return std::make_shared<KeptWeights>(MaskedWeights{all[0], recorded.mask});
  }

 private:
  MaskedWeights recorded;
};

void trace_weights(const ForwardPass& pass, const Tensor& weights) {
  if (pass.options.trace != nullptr) pass.options.trace->attention_weights.push_back(weights);
}

RecordedAttention explicit_attention(const AttentionPieces& pieces, const Tensor& values,
                                     const CausalMask& mask, const ForwardPass& pass) {
  const auto made = pass.hooks->attention(pieces, mask);
  trace_weights(pass, made.weights);
  const auto output = apply_attention_weights(made.weights, values, made.mask);
  return {output, pass.hooks->replay(pieces, made)};
}

RecordedAttention streaming_attention(const AttentionPieces& pieces, const Tensor& values,
                                      const CausalMask& mask, const ForwardPass& pass) {
  if (pass.options.trace != nullptr) {
    const NoGrad no_grad;  // only to be looked at
    const MaskWatch::Pause unwatched;
    trace_weights(pass, attention_weights(pieces, mask));
  }
  const auto [output, log_sum_exp] = attention(pieces, values, mask);
  return {output, std::make_shared<StreamingReplay>(pieces, log_sum_exp, mask)};
}

}  // namespace

MaskedWeights masked_weights(const AttentionPieces& pieces, const CausalMask& mask) {
  return {attention_weights(pieces, mask), mask};
}

std::shared_ptr<const AttentionReplay> kept_weights(MaskedWeights recorded) {
  return std::make_shared<KeptWeights>(std::move(recorded));
}

void append_tensors(std::vector<Tensor>& all, const AttentionPieces& pieces) {
  all.push_back(pieces.scales);
  all.insert(all.end(), pieces.q.begin(), pieces.q.end());
  all.insert(all.end(), pieces.k.begin(), pieces.k.end());
}

AttentionPieces pieces_from(const std::vector<Tensor>& all, std::size_t begin) {
  const auto scales = all.begin() + static_cast<std::ptrdiff_t>(begin);
  const auto first_key = scales + 1 + (all.end() - scales) / 2;
  return {{scales + 1, first_key}, {first_key, all.end()}, *scales};
}

RecordedAttention record_attention(const AttentionPieces& pieces, const Tensor& values,
                                   const CausalMask& mask, const ForwardPass& pass) {
  if (auto* trace = pass.options.trace) trace->pieces.push_back(pieces);
  const bool streaming = pass.options.attention == AttentionPath::streaming;
  return streaming ? streaming_attention(pieces, values, mask, pass)
                   : explicit_attention(pieces, values, mask, pass);
}

}  // namespace lookback
